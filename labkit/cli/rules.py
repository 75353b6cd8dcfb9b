"""``labkit rules``: what would be installed on each node, as text."""

from __future__ import annotations

from pathlib import Path

import click

from labkit.cli.options import dataplane_option, dataplanes


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--node", "nodes", multiple=True, help="Only this node; may be given more than once.")
@dataplane_option
def command(file: Path, nodes: tuple[str, ...], dataplane: str | None) -> None:
    """Print the rules of each node, as iptables-save prints them. No root needed.

    \b
    labkit rules scenarios/nodeport-local.yaml --node node1
    """  # noqa: D301
    from labkit.cluster.build import build_cluster
    from labkit.cluster.lookup import unknown
    from labkit.dataplane import data_plane
    from labkit.manifest.load import load

    scenario = load(file)
    for name in dataplanes(dataplane):
        cluster = build_cluster(scenario, dataplane=name)
        for node in nodes:
            if node not in cluster.node_by_name:
                raise unknown("node", node, cluster.node_by_name)
        plane = data_plane(cluster.dataplane)
        for node_name in nodes or tuple(cluster.node_by_name):
            click.echo(f"# {node_name}: {cluster.dataplane}, {cluster.name}")
            click.echo(plane.render(cluster, cluster.node_by_name[node_name]).text().rstrip("\n"))
