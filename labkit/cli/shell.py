"""``labkit shell``: your shell in a host of a lab that stays."""

from __future__ import annotations

import os

import click

from labkit.holder.enter import run_in


@click.command()
@click.argument("name")
@click.argument("host", required=False)
def command(name: str, host: str | None) -> None:
    """Start $SHELL in a host of a lab, its first client if none is named.

    \b
    labkit shell nodeport-cluster
    labkit shell nodeport-cluster node1
    """  # noqa: D301
    if host is None:
        from labkit.holder.client import describe
        from labkit.holder.state import open_folder

        with open_folder() as folder:
            lab = describe(folder, name)
        host = (*lab.clients, *lab.nodes)[0]
    run_in(name, host, [os.environ.get("SHELL") or "/bin/sh"])
