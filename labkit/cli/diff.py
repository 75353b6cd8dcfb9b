"""``labkit diff``: what changes for Services under another data plane."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from labkit.cli.labs import everywhere, load_scenarios, requests_for, tell_logs
from labkit.cli.options import (
    LabOptions,
    Output,
    dataplanes,
    lab_options,
    sources_option,
    write,
)
from labkit.errors import UsageError
from labkit.report import DIFF_FORMATS

if TYPE_CHECKING:
    from labkit.probe.compare import Comparison

LABS_AT_A_TIME: Final = 4
"""Most of a lab's time is waiting for answers that do not come."""


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
@sources_option
@lab_options
def command(
    paths: tuple[Path, ...],
    tables: tuple[Path, Path] | None,
    sources: str | None,
    options: LabOptions,
) -> int:
    """Say which flows change under another data plane, why, and what to do before moving.

    The first data plane is the one to move from; each of the others is compared with it. Exit
    status 1 if a difference is none that is known.

    \b
    labkit diff scenarios/nodeport-local.yaml --dataplane ipvs,nftables
    labkit diff cluster.yaml --dataplane iptables,nftables -o markdown=migration.md
    labkit diff cluster.yaml --tables before.json after.json
    """  # noqa: D301
    _check_formats(options.outputs)
    from labkit.report import render_comparisons

    if tables:
        if options.dataplane:
            raise UsageError("--tables say themselves under which data plane they were made")
        found = _of_tables(paths, tables)
    else:
        found = _of_labs(paths, sources, options)
    write(options.outputs, lambda fmt, paper: render_comparisons(found, fmt, **paper._asdict()))
    sys.stdout.flush()
    return 0 if all(each.passed for each in found) else 1


def _of_labs(paths: Sequence[Path], sources: str | None, options: LabOptions) -> list[Comparison]:
    from labkit.lab.diff import check_dataplanes, comparisons

    planes = [name for name in map(str.strip, (options.dataplane or "").split(",")) if name]
    check_dataplanes(planes)
    dataplanes(options.dataplane, options.kube_proxy)
    asked = requests_for(load_scenarios(paths, options), planes, options, sources=sources)
    from labkit.lab.runs import probe_all

    probed = everywhere(asked, partial(probe_all, jobs=LABS_AT_A_TIME), options)
    for each in probed:
        tell_logs(each.table.scenario, each.logs, options)
    return comparisons(asked, [each.table for each in probed])


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
