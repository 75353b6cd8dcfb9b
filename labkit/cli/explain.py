"""``labkit explain``: what the specification says of one flow, and why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import click

from labkit.cli import completing
from labkit.cli.held import is_lab, refuse_options, reports_for, texts_of
from labkit.cli.options import (
    Output,
    dataplane_option,
    dataplanes,
    kube_proxy_option,
    protocol_option,
    proxy_mode_option,
    terminal,
)


@click.command()
@click.argument(
    "file",
    metavar="FILE|NAME",
    shell_complete=completing.labs_or_files,
    type=click.Path(path_type=Path),
)
@click.argument("source", metavar="FROM", shell_complete=completing.hosts)
@click.argument("to", metavar="TO", shell_complete=completing.targets)
@protocol_option
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Format of the report.",
)
@proxy_mode_option
@kube_proxy_option
@dataplane_option
def command(
    file: Path,
    source: str,
    to: str,
    protocol: str,
    form: Literal["table", "json"],
    dataplane: str | None,
    kube_proxy: Path | None,
    proxy_mode: str | None,
) -> None:
    """Say what must become of a flow, and which field of the manifest decides. No root needed.

    NAME is a lab that stays, as it is now. FROM is a client, node or pod. TO is NODE:PORT,
    SERVICE:PORT or ADDRESS:PORT.

    \b
    labkit explain scenarios/nodeport-local-elsewhere.yaml client node2:30081
    labkit explain scenarios/nodeport-cluster.yaml client node2:30080 --dataplane iptables,ipvs
    """  # noqa: D301
    if is_lab(file):
        given = {"--dataplane": dataplane, "--kube-proxy": kube_proxy, "--proxy-mode": proxy_mode}
        _of_held(file, source, to, protocol, form=form, builds=given)
        return
    from labkit.cluster.build import build_cluster
    from labkit.cluster.model import Protocol
    from labkit.lab.real_kube_proxy import choose
    from labkit.lab.targets import parse
    from labkit.manifest.load import load
    from labkit.probe.expected import explain
    from labkit.report import render_explanations

    scenario = load(file)
    found = []
    for name in dataplanes(dataplane, kube_proxy):
        chosen = choose(scenario, name, kube_proxy, proxy_mode)
        real = chosen.identity if chosen else None
        cluster = build_cluster(scenario, dataplane=name, real_kube_proxy=real)
        flow = parse(cluster, source, to, Protocol(protocol.upper()))
        found.append(explain(cluster, flow))
    click.echo(render_explanations(found, form, **terminal()._asdict()), nl=False)


def _of_held(
    lab: Path,
    source: str,
    to: str,
    protocol: str,
    *,
    form: Literal["table", "json"],
    builds: Mapping[str, object],
) -> None:
    """Explain a flow of a lab that stays."""
    from labkit.cluster.model import Protocol
    from labkit.holder.protocol import Explain

    refuse_options(str(lab), builds)
    (report,) = reports_for([Output(form, None)])
    asked = Explain(source=source, to=to, protocol=Protocol(protocol.upper()), report=report)
    click.echo("".join(texts_of(str(lab), asked).texts), nl=False)
