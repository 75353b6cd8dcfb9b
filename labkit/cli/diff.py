"""``labkit diff``: what changes for Services under another data plane."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from labkit.cli.ending import end_at_once_on_interrupt
from labkit.cli.kernels import spread
from labkit.cli.options import Output, lab_options, prepare, write
from labkit.cli.progress import progress
from labkit.errors import UsageError
from labkit.report import DIFF_FORMATS

if TYPE_CHECKING:
    from labkit.lab.diff import Request
    from labkit.probe.compare import Comparison, Probed


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--tables",
    metavar="BEFORE AFTER",
    nargs=2,
    type=click.Path(path_type=Path),
    help="Compare two flow tables that `labkit matrix -o json` has saved of FILE, and probe "
    "nothing. Needs no root and no kernel.",
)
@click.option(
    "--from",
    "sources",
    metavar="NAME[,NAME]|all",
    help="Sources: names of clients, nodes and pods, or all. Default: every client, every node "
    "and, per Service and node, one endpoint pod and one other.",
)
@lab_options
def command(
    paths: tuple[Path, ...],
    tables: tuple[Path, Path] | None,
    sources: str | None,
    outputs: tuple[Output, ...],
    dataplane: str | None,
    iptables: Literal["nft", "legacy"] | None,
    kernel: str,
    rootless: bool,  # noqa: FBT001 - click calls it by keyword
    attempts: int | None,
    seed: int,
    verbose: bool,  # noqa: FBT001, ARG001
    quiet: bool,  # noqa: FBT001
) -> int:
    """Say which flows change under another data plane, why, and what to do before moving.

    The first data plane is the one to move from; each of the others is compared with it. Exit
    status 1 if a difference is none that is known.

    \b
    labkit diff scenarios/nodeport-local.yaml --dataplane ipvs,nftables
    labkit diff cluster.yaml --dataplane iptables,nftables -o markdown=migration.md
    labkit diff cluster.yaml --tables before.json after.json
    """  # noqa: D301
    _check_formats(outputs)
    from labkit.report import render_comparisons

    if tables:
        if dataplane:
            raise UsageError("--tables say themselves under which data plane they were made")
        found = _of_tables(paths, tables)
    else:
        from labkit.lab.diff import check_dataplanes

        planes = _names(dataplane or "")
        check_dataplanes(planes)
        prepare(rootless=rootless)
        from labkit.lab.diff import comparisons, probe, requests
        from labkit.lab.runs import scenario_files
        from labkit.manifest.load import load_each

        asked = requests(
            load_each(scenario_files(paths)),
            planes,
            sources=None if sources is None else _names(sources),
            iptables=iptables,
            attempts=attempts,
            seed=seed,
        )

        def here(mine: Sequence[Request]) -> list[Probed]:
            end_at_once_on_interrupt()
            with progress(f"{len(mine)} labs", quiet=quiet):
                return [probe(request) for request in mine]

        probed = spread(asked, lambda each: each.dataplane, here, kernel=kernel, outputs=outputs)
        found = comparisons(asked, probed)
    write(outputs, lambda fmt, paper: render_comparisons(found, fmt, **paper._asdict()))
    sys.stdout.flush()
    return 0 if all(each.passed for each in found) else 1


def _of_tables(paths: Sequence[Path], tables: tuple[Path, Path]) -> list[Comparison]:
    from labkit.cluster.build import build_cluster
    from labkit.lab.diff import saved
    from labkit.manifest.load import load_each
    from labkit.probe.compare import compare

    scenarios = load_each(paths)
    if len(scenarios) != 1:
        names = ", ".join(scenario.lab.metadata.name for scenario in scenarios)
        raise UsageError(f"--tables are of one scenario; FILE holds {len(scenarios)}: {names}")
    return [compare(build_cluster(scenarios[0]), *map(saved, tables))]


def _check_formats(outputs: Sequence[Output]) -> None:
    """Find out before anything is probed."""
    for output in outputs:
        if output.format not in DIFF_FORMATS:
            known = ", ".join(DIFF_FORMATS)
            raise UsageError(f"-o {output.format} is no format of this report; there are: {known}")


def _names(text: str) -> list[str]:
    return [name for name in map(str.strip, text.split(",")) if name]
