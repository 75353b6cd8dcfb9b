"""``labkit run``: build each scenario, check it, report, gone."""

from __future__ import annotations

import sys
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
    from labkit.probe.verdict import ScenarioResult


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1, max=64),
    default=4,
    show_default=True,
    help="Labs at a time; most of a lab's time is waiting for answers that do not come.",
)
@only_services_option
@rules_option
@lab_options
def command(
    paths: tuple[Path, ...],
    jobs: int,
    rules: tuple[tuple[str, Path], ...],
    only_services: bool,  # noqa: FBT001 - click calls it by keyword
    outputs: tuple[Output, ...],
    dataplane: str | None,
    iptables: Literal["nft", "legacy"] | None,
    kernel: str,
    rootless: bool,  # noqa: FBT001
    attempts: int | None,
    seed: int,
    verbose: bool,  # noqa: FBT001
    quiet: bool,  # noqa: FBT001
) -> int:
    """Build each scenario, run its Checks, print a report; nothing is left behind.

    A folder stands for the scenario files in it. Exit status 1 if a check differs.

    \b
    labkit run scenarios/
    labkit run scenarios/nodeport-local.yaml -o junit=report.xml -o table
    """  # noqa: D301
    planes = dataplanes(dataplane)
    prepare(rootless=rootless)
    from labkit.lab.dumps import needs_of
    from labkit.lab.runs import Request, exit_status, run_all, scenario_files
    from labkit.manifest.load import load_each
    from labkit.manifest.only_services import only_services as without_bystanders
    from labkit.report import render_results

    scenarios = load_each(scenario_files(paths))
    if only_services:
        scenarios = [without_bystanders(scenario) for scenario in scenarios]
    requests = [
        Request(
            scenario=scenario,
            dataplane=plane,
            iptables=iptables,
            rules=dict(rules),
            seed=seed,
            attempts=attempts,
        )
        for scenario in scenarios
        for plane in planes
    ]

    def here(mine: Sequence[Request]) -> list[ScenarioResult]:
        end_at_once_on_interrupt()
        with progress(f"{len(mine)} scenarios", quiet=quiet):
            return run_all(mine, jobs=jobs)

    also = needs_of(dict(rules))
    results = spread(
        requests, lambda each: each.plane, here, kernel=kernel, outputs=outputs, also=also
    )
    if verbose:
        for scenario in scenarios:
            if scenario.ignored:
                click.echo(f"{scenario.path}: left out: {', '.join(scenario.ignored)}", err=True)
        for result in results:
            for where, text in result.logs.items():
                click.echo(f"--- {result.scenario}: {where}\n{text}", err=True)
    write(outputs, lambda fmt, paper: render_results(results, fmt, **paper._asdict()))
    sys.stdout.flush()
    return exit_status(results)
