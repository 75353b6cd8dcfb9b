"""The topology as one HTML page: the picture, and everything of it as tables to search in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from labkit.report.graph import words
from labkit.report.graph.svg import inline_picture
from labkit.report.graph.topology import NumberedService, Topology
from labkit.report.page.markup import Markup
from labkit.report.page.model import Block, Cell, Drawing, Group, Heading, Page, Row, Section, Table
from labkit.report.page.render import page_html

SERVICES: Final = ("number", "Service", "type", "reached at", "policies", "endpoints")
NODES: Final = ("node", "zone", "devices", "pod CIDR", "pods")
PODS: Final = ("pod", "address", "node", "state", "endpoint of")
CLIENTS: Final = ("client", "address", "place", "routes")


def topology_html(topology: Topology) -> str:
    """Return the page."""
    name = topology.cluster.name
    picture = Drawing(svg=Markup(inline_picture(topology, "topology")), name=f"Topology of {name}")
    section = Section(
        anchor="everything",
        title="Everything in it",
        blocks=(
            *_table("Services", SERVICES, map(_service, topology.services), choose=(2,)),
            *_table("Nodes", NODES, _nodes(topology), choose=(1,)),
            *_table("Pods", PODS, _pods(topology), choose=(2, 3)),
            *_table("Clients", CLIENTS, _clients(topology), choose=(2,)),
        ),
    )
    whole = page_html(
        Page(
            title=f"labkit: topology of {name}",
            headline=name,
            mood=None,
            summary=", ".join(words.counts(topology)),
            top=(picture,),
            sections=(section,),
        )
    )
    return whole.encode("ascii", "xmlcharrefreplace").decode()


def _table(
    title: str,
    heads: tuple[str, ...],
    rows: Iterable[tuple[Iterable[str], ...]],
    choose: tuple[int, ...],
) -> Iterator[Block]:
    """A heading and a table; each cell is lines of text. Nothing if there are no rows."""
    found = tuple(Row(cells=tuple(Cell(lines=tuple(lines)) for lines in row)) for row in rows)
    if found:
        yield Heading(text=title)
        yield Table(
            kind=title.lower(),
            name=title,
            heads=heads,
            groups=(Group(rows=found),),
            choose=choose,
        )


def _service(numbered: NumberedService) -> tuple[Iterable[str], ...]:
    service = numbered.service
    reached = [*words.addresses(service), *words.ports(service)]
    return (
        [str(numbered.number)],
        [numbered.name],
        [words.kind_of(service).removeprefix("type ")],
        [fact.text for fact in reached],
        [fact.text for fact in words.policies(service)],
        [words.endpoint_fact(numbered, limit=None).text],
    )


def _nodes(topology: Topology) -> Iterator[tuple[Iterable[str], ...]]:
    network = topology.cluster.network.pod_network
    for each in topology.nodes:
        node = each.node
        devices = [*words.node_lines(node, network), words.bridge_line(node)]
        yield [node.name], [node.zone or ""], devices, [str(node.pod_cidr)], [str(each.pods)]


def _pods(topology: Topology) -> Iterator[tuple[Iterable[str], ...]]:
    for spot in topology.pods:
        (pod,) = spot.pods
        network = " (host network)" if pod.host_network else ""
        led = words.led_by(spot, topology.services)
        yield [pod.name], [f"{pod.address}{network}"], [pod.node], [spot.state], [led]


def _clients(topology: Topology) -> Iterator[tuple[Iterable[str], ...]]:
    outside = set(topology.outside_clients)
    for client in topology.cluster.clients:
        place = "behind the router" if client in outside else "on the LAN"
        routes = [f"{route.to} via {route.via}" for route in client.routes]
        yield [client.name], [str(client.address)], [place], routes
