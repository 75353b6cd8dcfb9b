"""The topology as one HTML page: the picture, and everything of it as tables to search in. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from labkit.report.graph import words
from labkit.report.graph.svg import picture
from labkit.report.graph.topology import NumberedService, Topology
from labkit.report.html import escape, page, wide_table

SERVICES: Final = ("number", "Service", "type", "reached at", "policies", "endpoints")
NODES: Final = ("node", "zone", "devices", "pod CIDR", "pods")
PODS: Final = ("pod", "address", "node", "state", "endpoint of")
CLIENTS: Final = ("client", "address", "place", "routes")


def topology_html(topology: Topology) -> str:
    """Return the page; the picture holds the scenario's name."""
    whole = page(
        [
            f'<div class="wide">\n{picture(topology)}</div>',
            *_table("Services", SERVICES, map(_service, topology.services)),
            *_table("Nodes", NODES, _nodes(topology)),
            *_table("Pods", PODS, _pods(topology)),
            *_table("Clients", CLIENTS, _clients(topology)),
        ]
    )
    return whole.encode("ascii", "xmlcharrefreplace").decode()


def _table(
    title: str, heads: tuple[str, ...], rows: Iterable[tuple[Iterable[str], ...]]
) -> Iterator[str]:
    """A heading and a table; each cell is lines of text. Nothing if there are no rows."""
    found = [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    if found:
        yield f"<h3>{title}</h3>"
        yield from wide_table(heads, found)


def _cell(lines: Iterable[str]) -> str:
    found = [escape(line) for line in lines]
    kind = ' class="facts"' if len(found) > 1 else ""
    return f"<td{kind}>{'<br>'.join(found)}</td>"


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
