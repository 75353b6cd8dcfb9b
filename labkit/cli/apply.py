"""``labkit apply``: add to a lab that stays, or change it, by a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from labkit.cli import completing
from labkit.cli.held import tell


@click.command()
@click.argument("name", shell_complete=completing.labs)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def command(name: str, file: Path) -> None:
    """Add Pods, Services and other objects of a file to a lab; the rules follow at once.

    What is there already is replaced; nothing is taken away. FILE is - for standard input. The
    lab keeps its nodes, clients and network. If anything is wrong, nothing is changed.

    \b
    labkit apply nodeport-cluster more-pods.yaml
    kubectl get svc -o yaml | labkit apply nodeport-cluster -
    """  # noqa: D301
    from labkit.holder.protocol import Apply
    from labkit.manifest.load import content_of

    if str(file) == "-":
        request = Apply(file="<stdin>", content=sys.stdin.buffer.read())
    else:
        request = Apply(file=str(file), content=content_of(file))
    tell(name, request)
