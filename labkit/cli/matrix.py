"""``labkit matrix``: the whole flow table."""

from __future__ import annotations

from pathlib import Path

import click

from labkit.cli.labs import everywhere, load_scenarios, requests_for, tell_logs
from labkit.cli.options import LabOptions, dataplanes, lab_options, sources_option, write


@click.command()
@click.argument(
    "paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@sources_option
@lab_options
def command(paths: tuple[Path, ...], sources: str | None, options: LabOptions) -> None:
    """Probe every flow of a scenario: who reaches what, who answers, whom the pod sees.

    \b
    labkit matrix scenarios/nodeport-local.yaml
    labkit matrix scenarios/nodeport-local.yaml --from client,node1 -o json
    """  # noqa: D301
    planes = dataplanes(options.dataplane, options.kube_proxy)
    requests = requests_for(load_scenarios(paths, options), planes, options, sources=sources)
    from labkit.lab.runs import probe_all
    from labkit.report import render_tables

    probed = everywhere(requests, probe_all, options)
    for each in probed:
        tell_logs(each.table.scenario, each.logs, options)
    tables = [each.table for each in probed]
    write(options.outputs, lambda fmt, paper: render_tables(tables, fmt, **paper._asdict()))
