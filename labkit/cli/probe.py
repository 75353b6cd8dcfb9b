"""``labkit probe``: one flow of a lab that stays."""

from __future__ import annotations

import click

from labkit.cli import completing
from labkit.cli.options import attempts_option, protocol_option, quiet_option, terminal
from labkit.cli.progress import progress
from labkit.holder.client import ask_for
from labkit.holder.protocol import Probe, Probed


@click.command()
@click.argument("name", shell_complete=completing.labs)
@click.argument("source", metavar="FROM", shell_complete=completing.hosts)
@click.argument("to", metavar="TO", shell_complete=completing.targets)
@quiet_option
@attempts_option
@protocol_option
def command(
    name: str,
    source: str,
    to: str,
    protocol: str,
    attempts: int | None,
    quiet: bool,  # noqa: FBT001 - click's
) -> int:
    """Send from a host to a target, and say who answered, whom it saw, and whether that is right.

    FROM is a client, node or pod. TO is NODE:PORT, SERVICE:PORT or ADDRESS:PORT. Exit status 1 if
    the specification says otherwise.

    \b
    labkit probe nodeport-cluster client node2:30080
    labkit probe nodeport-cluster caller my-nginx --attempts 1
    """  # noqa: D301
    with progress(name, quiet=quiet):
        seen = probed(name, source, to, protocol, attempts)
    click.echo(verdict(seen), nl=False)
    return int(seen.row.agrees is False)


def probed(name: str, source: str, to: str, protocol: str, attempts: int | None) -> Probed:
    """Have a lab probe one flow.

    Raises:
        LabkitError: there is no such lab, or it has no such host or target.
    """
    from labkit.cluster.model import Protocol

    request = Probe(source=source, to=to, protocol=Protocol(protocol.upper()), attempts=attempts)
    return ask_for(name, request, Probed)


def verdict(seen: Probed) -> str:
    """What was seen, in words for this terminal."""
    from labkit.report import render_flow

    return render_flow(seen.row, seen.to, **terminal()._asdict())
