"""``labkit run``: build each scenario, check it, report, gone."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from labkit.cli.github import tell_github
from labkit.cli.labs import everywhere, load_scenarios, requests_for, tell_logs
from labkit.cli.options import LabOptions, dataplanes, lab_options, write


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
@lab_options
def command(paths: tuple[Path, ...], jobs: int, options: LabOptions) -> int:
    """Build each scenario, run its Checks, print a report; nothing is left behind.

    A folder stands for the scenario files in it. Exit status 1 if a check differs.

    \b
    labkit run scenarios/
    labkit run scenarios/nodeport-local.yaml -o junit=report.xml -o table
    """  # noqa: D301
    planes = dataplanes(options.dataplane, options.kube_proxy)
    requests = requests_for(load_scenarios(paths, options), planes, options)
    from labkit.lab.runs import exit_status, not_run, run_all
    from labkit.report import render_results

    ran = everywhere(requests, partial(run_all, jobs=jobs), options, missing=not_run)
    results = [each.result for each in ran]
    evidence = [each.evidence for each in ran]
    for result in results:
        tell_logs(result.scenario, result.logs, options)
    write(
        options.outputs,
        lambda fmt, paper: render_results(results, fmt, evidence=evidence, **paper._asdict()),
    )
    sys.stdout.flush()
    tell_github(results)
    return exit_status(results)
