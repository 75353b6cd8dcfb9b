"""``labkit shell``: the prompt of a lab that stays, or a shell in one of its hosts."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

import click

from labkit.cli import completing
from labkit.errors import UsageError
from labkit.holder.enter import run_in


@click.command()
@click.argument("name", shell_complete=completing.labs)
@click.argument("host", required=False, shell_complete=completing.hosts)
@click.option(
    "-k",
    "--keep-going",
    is_flag=True,
    help="Without a terminal: do the lines behind one that fails, too.",
)
def command(name: str, host: str | None, keep_going: bool) -> int:  # noqa: FBT001 - click's
    """Open the prompt of a lab, or $SHELL in one of its hosts.

    At the prompt a line is a verb (probe, matrix, rules, kill, save, …: help lists them) or a
    host and a command for it: client curl node2:30080. Tab completes, Ctrl-C ends a command,
    Ctrl-D leaves; the lab stays.

    Without a terminal, the lines come from standard input. The first that fails is the last that
    is done, and its exit status is the command's; with --keep-going all lines are done, and the
    status is that of the first that failed. Programs find an empty standard input.

    \b
    labkit shell nodeport-cluster
    labkit shell nodeport-cluster node1
    echo 'client curl -s node2:30080/clientip' | labkit shell nodeport-cluster
    """  # noqa: D301
    if host is not None:
        if keep_going:
            raise UsageError("--keep-going is for the lab's prompt, which takes no host")
        run_in(name, host, [os.environ.get("SHELL") or "/bin/sh"])
    from labkit.cli.prompt.session import Session

    if sys.stdin.isatty() and sys.stdout.isatty():
        from labkit.cli.prompt.terminal import converse

        return converse(Session(name, terminal=True))
    from labkit.cli.prompt.script import follow

    if isinstance(sys.stdin, TextIOWrapper):  # a line of another encoding is a line
        sys.stdin.reconfigure(errors="surrogateescape")
    session = Session(name, terminal=False)
    session.known()
    return follow(session, sys.stdin, keep_going=keep_going)
