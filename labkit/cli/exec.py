"""``labkit exec``: a program in a host of a lab that stays.

`labkit.__main__` runs a plain one without this module.
"""

from __future__ import annotations

import click

from labkit.cli import completing
from labkit.errors import UsageError
from labkit.holder.enter import asked_for, run_in


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument(
    "words",
    metavar="NAME HOST [--] CMD...",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=completing.lab_host_command,
)
def command(words: tuple[str, ...]) -> None:
    """Run a program of this machine in a client, node or pod of a lab.

    Terminal, standard streams and exit status are the program's own; 127 if there is no such
    program, 126 if it cannot be run. It gets SIGHUP when the lab ends.

    \b
    labkit exec nodeport-cluster client -- curl -s 192.168.0.2:30080/clientip
    labkit exec nodeport-cluster node1 -- iptables-save -t nat
    """  # noqa: D301
    asked = asked_for(words)
    if asked is None:
        raise UsageError("say in which lab and host, and what: labkit exec NAME HOST -- CMD...")
    run_in(*asked)
