"""``labkit matrix``: the whole flow table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from labkit.cli.ending import end_at_once_on_interrupt
from labkit.cli.kernels import spread
from labkit.cli.options import (
    Output,
    dataplanes,
    lab_options,
    only_services_option,
    prepare,
    rules_option,
    write,
)
from labkit.cli.progress import progress

if TYPE_CHECKING:
    from labkit.probe.table import FlowTable


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "sources",
    metavar="NAME[,NAME]|all",
    help="Sources: names of clients, nodes and pods, or all. Default: every client, every node "
    "and, per Service and node, one endpoint pod and one other.",
)
@only_services_option
@rules_option
@lab_options
def command(
    file: Path,
    rules: tuple[tuple[str, Path], ...],
    only_services: bool,  # noqa: FBT001 - click calls it by keyword
    sources: str | None,
    outputs: tuple[Output, ...],
    dataplane: str | None,
    iptables: Literal["nft", "legacy"] | None,
    kernel: str,
    rootless: bool,  # noqa: FBT001
    attempts: int | None,
    seed: int,
    verbose: bool,  # noqa: FBT001
    quiet: bool,  # noqa: FBT001
) -> None:
    """Probe every flow of a scenario: who reaches what, who answers, whom the pod sees.

    \b
    labkit matrix scenarios/nodeport-local.yaml
    labkit matrix scenarios/nodeport-local.yaml --from client,node1 -o json
    """  # noqa: D301
    names = [each.strip() for each in sources.split(",") if each.strip()] if sources else None
    planes = dataplanes(dataplane)
    prepare(rootless=rootless)
    from labkit.lab.dumps import needs_of
    from labkit.lab.lab import Lab
    from labkit.manifest.load import load
    from labkit.manifest.only_services import only_services as without_bystanders
    from labkit.report import render_tables

    scenario = load(file)
    if only_services:
        scenario = without_bystanders(scenario)

    def here(mine: Sequence[str]) -> list[FlowTable]:
        end_at_once_on_interrupt()
        return [table(plane) for plane in mine]

    def table(plane: str) -> FlowTable:
        with (
            progress(f"{scenario.lab.metadata.name}", quiet=quiet),
            Lab(scenario, dataplane=plane, iptables=iptables, rules=dict(rules), seed=seed) as lab,
        ):
            found = lab.matrix(names, attempts=attempts)
            if verbose:
                for where, text in lab.logs().items():
                    click.echo(f"--- {where}\n{text}", err=True)
        return found

    wanted = [plane or scenario.lab.spec.dataplane for plane in planes]
    also = needs_of(dict(rules))
    tables = spread(wanted, str, here, kernel=kernel, outputs=outputs, also=also)
    write(outputs, lambda fmt, paper: render_tables(tables, fmt, **paper._asdict()))
