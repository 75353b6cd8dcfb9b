"""``labkit graph``: the topology of a scenario, or of a lab that stays, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from labkit.cli.held import is_lab, refuse_options, texts_of, write_reports
from labkit.cli.options import (
    Output,
    dataplane_option,
    dataplanes,
    only_services_option,
    output_option_for,
    write,
)
from labkit.errors import UsageError
from labkit.report.graph import GRAPH_FORMATS


@click.command()
@click.argument("file", metavar="FILE|NAME", type=click.Path(path_type=Path))
@output_option_for(GRAPH_FORMATS, of="picture")
@only_services_option
@dataplane_option
def command(
    file: Path,
    outputs: tuple[Output, ...],
    dataplane: str | None,
    only_services: bool,  # noqa: FBT001 - click's
) -> None:
    """Draw what a scenario describes. Nothing is built; no root needed.

    Hosts, bridges and pods with their addresses, and Services with the pods that they lead to.
    NAME is a lab that stays, see labkit up: it is drawn as it is now.

    \b
    labkit graph scenarios/nodeport-local.yaml -o svg=lab.svg -o html=lab.html
    labkit graph scenarios/nodeport-local.yaml -o mermaid
    """  # noqa: D301
    if is_lab(file):
        _of_held(str(file), outputs, {"--dataplane": dataplane, "--only-services": only_services})
        return
    from labkit.cluster.build import build_cluster
    from labkit.manifest.load import load
    from labkit.manifest.only_services import only_services as without_other_pods
    from labkit.report.graph import render_graph

    names = dataplanes(dataplane)
    if len(names) > 1:
        raise UsageError(f"--dataplane {dataplane} names {len(names)}; a picture shows one")
    scenario = load(file)
    if only_services:
        scenario = without_other_pods(scenario)
    cluster = build_cluster(scenario, dataplane=names[0])
    write(outputs, lambda fmt, _paper: render_graph(cluster, fmt))


def _of_held(lab: str, outputs: tuple[Output, ...], building: Mapping[str, object]) -> None:
    from labkit.holder.protocol import Draw

    refuse_options(lab, building)
    answer = texts_of(lab, Draw(formats=[output.format for output in outputs]))
    write_reports(outputs, answer.texts)
