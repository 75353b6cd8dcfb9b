"""``labkit matrix``: the whole flow table."""

from __future__ import annotations

from pathlib import Path

import click

from labkit.cli import completing
from labkit.cli.ending import raise_on_interrupt
from labkit.cli.held import labs_among, refuse_what_builds, reports_for, texts_of, write_reports
from labkit.cli.labs import everywhere, load_scenarios, requests_for, tell_logs
from labkit.cli.options import LabOptions, dataplanes, lab_options, sources_option, write_pieces
from labkit.cli.progress import progress
from labkit.errors import UsageError


@click.command()
@click.argument(
    "paths",
    metavar="FILE|NAME...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=completing.labs_or_files,
)
@sources_option
@lab_options
def command(paths: tuple[Path, ...], sources: str | None, options: LabOptions) -> None:
    """Probe every flow of a scenario: who reaches what, who answers, whom the pod sees.

    NAME is a lab that stays, see labkit up; it has no suffix and no folder, as files have.

    \b
    labkit matrix scenarios/nodeport-local.yaml
    labkit matrix scenarios/nodeport-local.yaml --from client,node1 -o json
    """  # noqa: D301
    if held := labs_among(paths):
        _of_held(held, paths, sources, options)
        return
    planes = dataplanes(options.dataplane, options.kube_proxy)
    requests = requests_for(load_scenarios(paths, options), planes, options, sources=sources)
    from labkit.lab.runs import probe_all
    from labkit.report import tables_in_pieces

    probed = everywhere(requests, probe_all, options, on_interrupt=raise_on_interrupt)
    for each in probed:
        tell_logs(each.table.scenario, each.logs, options)
    tables = [each.table for each in probed]
    evidence = [each.evidence for each in probed]
    write_pieces(
        options.outputs,
        lambda fmt, paper: tables_in_pieces(tables, fmt, evidence=evidence, **paper._asdict()),
    )
    if (last := probed[-1]).planned is not None:
        done = f"{len(last.table.flows):,} of {last.planned:,} flows"
        click.echo(f"labkit: interrupted; the report has {done} of {last.table.scenario}", err=True)
        raise KeyboardInterrupt


def _of_held(
    labs: list[str], paths: tuple[Path, ...], sources: str | None, options: LabOptions
) -> None:
    """Print the flow tables of labs that stay."""
    from labkit.cli.labs import names_of
    from labkit.holder.protocol import Matrix

    if len(labs) != len(paths):
        raise UsageError(f"lab {labs[0]} and files are two commands; give one or the other")
    refuse_what_builds(labs[0], options)
    for lab in labs:
        request = Matrix(
            sources=names_of(sources),
            attempts=options.attempts,
            reports=reports_for(options.outputs),
        )
        with progress(lab, quiet=options.quiet):
            answer = texts_of(lab, request)
        write_reports(options.outputs, answer.texts)
