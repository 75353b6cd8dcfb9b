"""``labkit down``: the end of labs that stay."""

from __future__ import annotations

import click

from labkit.cli import completing
from labkit.errors import UsageError


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, shell_complete=completing.labs)
@click.option("--all", "everything", is_flag=True, help="Every lab of yours.")
def command(names: tuple[str, ...], everything: bool) -> None:  # noqa: FBT001 - click's
    """End labs; return when their processes are gone.

    Programs that labkit exec started in them get SIGHUP.

    \b
    labkit down nodeport-cluster
    labkit down --all
    """  # noqa: D301
    from labkit.holder.client import end
    from labkit.holder.state import open_folder

    if everything == bool(names):
        raise UsageError("say which labs are to end, or --all; labkit ps lists them")
    with open_folder() as folder:
        for name in dict.fromkeys(folder.labs() if everything else names):
            end(folder, name)
            click.echo(f"{name} is down")
