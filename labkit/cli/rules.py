"""``labkit rules``: what is installed on each node, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.cli import completing
from labkit.cli.held import is_lab, refuse_options, texts_of
from labkit.cli.options import (
    dataplane_option,
    dataplanes,
    kernel_option,
    kube_proxy_option,
    prepare,
    proxy_mode_option,
    rootless_option,
)

if TYPE_CHECKING:
    from labkit.lab.runs import Request


@click.command()
@click.argument(
    "file",
    metavar="FILE|NAME",
    shell_complete=completing.labs_or_files,
    type=click.Path(path_type=Path),
)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    shell_complete=completing.nodes,
    help="Only this node; may be given more than once.",
)
@rootless_option
@kernel_option
@proxy_mode_option
@kube_proxy_option
@dataplane_option
def command(
    file: Path,
    nodes: tuple[str, ...],
    dataplane: str | None,
    kube_proxy: Path | None,
    proxy_mode: str | None,
    kernel: str,
    rootless: bool,  # noqa: FBT001 - click's
) -> None:
    """Print the rules of each node, as iptables-save prints them. No root needed.

    NAME is a lab that stays: what is installed there now.

    A real kube-proxy makes its rules itself: under the data plane kube-proxy the lab is built, and
    its rules are read back.

    \b
    labkit rules scenarios/nodeport-local.yaml --node node1
    labkit rules scenarios/nodeport-local.yaml --dataplane kube-proxy
    """  # noqa: D301
    if is_lab(file):
        given = {
            "--dataplane": dataplane,
            "--kube-proxy": kube_proxy,
            "--proxy-mode": proxy_mode,
            "--kernel": kernel != "auto",
            "--rootless": rootless,
        }
        _of_held(str(file), nodes, given)
        return
    from labkit.lab.runs import Request
    from labkit.manifest.load import load

    scenario = load(file)
    for name in dataplanes(dataplane, kube_proxy):
        asked = Request(
            scenario=scenario, dataplane=name, kube_proxy=kube_proxy, proxy_mode=proxy_mode
        )
        real = asked.plane == "kube-proxy"
        if real:
            prepare(rootless=rootless)
            _on_a_kernel_for(asked, kernel)
        with _read_back(asked) if real else _rendered(asked) as text_of:
            for node in nodes or _nodes(asked):
                _tell(node, asked.plane, scenario.lab.metadata.name, text_of(node))


def _of_held(lab: str, nodes: tuple[str, ...], builds: Mapping[str, object]) -> None:
    """Print what is installed in a lab that stays."""
    from labkit.holder.client import describe
    from labkit.holder.protocol import Rules
    from labkit.holder.state import open_folder

    refuse_options(lab, builds)
    with open_folder() as folder:
        there = describe(folder, lab)
    shown = nodes or tuple(there.nodes)
    for node, text in zip(shown, texts_of(lab, Rules(nodes=shown)).texts, strict=True):
        _tell(node, there.dataplane, lab, text)


def _tell(node: str, plane: str, lab: str, text: str) -> None:
    click.echo(f"# {node}: {plane}, {lab}\n{text.rstrip(chr(10))}")


def _nodes(asked: Request) -> tuple[str, ...]:
    from labkit.cluster.build import build_cluster

    return tuple(build_cluster(asked.scenario).node_by_name)


@contextmanager
def _rendered(asked: Request) -> Iterator[Callable[[str], str]]:
    from labkit.cluster.build import build_cluster
    from labkit.cluster.lookup import unknown
    from labkit.dataplane import data_plane

    cluster = build_cluster(asked.scenario, dataplane=asked.plane)
    plane = data_plane(asked.plane)

    def text_of(node: str) -> str:
        if node not in cluster.node_by_name:
            raise unknown("node", node, cluster.node_by_name)
        text: str = plane.render(cluster, cluster.node_by_name[node]).text()
        return text

    yield text_of


@contextmanager
def _read_back(asked: Request) -> Iterator[Callable[[str], str]]:
    from labkit.lab.runs import lab_of

    with lab_of(asked) as lab:
        yield lab.rules


def _on_a_kernel_for(asked: Request, kernel: str) -> None:
    """Go on if this kernel has what the lab needs; else have a guest do the whole command."""
    from labkit.cli.kernels import leave_to
    from labkit.kernel.guest.choose import choose

    leave_to(choose(kernel, asked.needs), outputs=())
