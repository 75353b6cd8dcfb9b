"""``labkit ps``: the labs that stay."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from labkit.errors import LabkitError

if TYPE_CHECKING:
    from labkit.holder.state import Folder

SCHEMA: Final = "labkit.dev/labs/v1"
COLUMNS: Final = ("NAME", "DATA PLANE", "NODES", "CLIENTS", "PODS", "SERVICES", "AGE", "FILE")


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Format of the report.",
)
def command(output: str) -> None:
    """List your labs that stay.

    \b
    labkit ps
    labkit ps -o json
    """  # noqa: D301
    from labkit.holder.state import open_folder

    with open_folder() as folder:
        labs = [_row(folder, name) for name in folder.labs()]
    if output == "json":
        click.echo(json.dumps({"schema": SCHEMA, "labs": labs}, indent=2))
    else:
        click.echo(_table(labs))


def _row(folder: Folder, name: str) -> dict[str, Any]:
    from msgspec import to_builtins

    from labkit.holder.client import describe

    try:
        row: dict[str, Any] = to_builtins(describe(folder, name))
    except LabkitError as error:
        return {"name": name, "error": str(error)}
    del row["answer"]
    return row


def _table(labs: list[dict[str, Any]]) -> str:
    from tabulate import tabulate

    if not labs:
        return "no lab runs; build one with labkit up FILE"
    rows = [
        (each["name"], each["error"])
        if "error" in each
        else (
            each["name"],
            each["dataplane"],
            *(len(each[hosts]) for hosts in ("nodes", "clients", "pods", "services")),
            timedelta(seconds=int(each["age_s"])),
            each["file"],
        )
        for each in labs
    ]
    return tabulate(rows, headers=COLUMNS, tablefmt="plain", disable_numparse=True)
