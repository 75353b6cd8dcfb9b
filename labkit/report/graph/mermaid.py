"""The topology as a Mermaid flowchart: GitHub and GitLab draw it inside Markdown. Pure.

Colours are left to the reader's theme, light or dark.
Source: mermaid 11 packages/mermaid/src/utils.ts (encodeEntities) and
diagrams/flowchart/parser/flow.jison (quoted text); by default it takes 50,000 characters and 500
lines at most (schemas/config.schema.yaml, maxTextSize and maxEdges).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from labkit.cluster.model import Client
from labkit.report.graph import words
from labkit.report.graph.cards import Card, Host, client_hosts, router_host, service_cards
from labkit.report.graph.links import Link, links
from labkit.report.graph.measure import fitted
from labkit.report.graph.topology import NodeSpots, Spot, State, Topology
from labkit.report.text import clean

ROOM: Final = 44
"""Characters of a line."""
MANY_NODES: Final = 20
ROOM_OF_MANY: Final = 22
"""The same with more nodes: a hundred of them are within what Mermaid takes."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,./()_-]")


def topology_mermaid(topology: Topology) -> str:
    """Return the flowchart. Names are in labels alone: identifiers are made here."""
    room = ROOM if len(topology.nodes) <= MANY_NODES else ROOM_OF_MANY
    cards = list(service_cards(topology.services, room))
    shown = sum(card.service is not None for card in cards)
    lines = [
        "---",
        f"title: {json.dumps(clean(topology.cluster.name))}",
        "config: {flowchart: {wrappingWidth: 400}}",
        "---",
        "flowchart LR",
        *_hosts(topology),
        *(
            line
            for place, node in enumerate(topology.nodes)
            for line in _node(f"n{place}", node, topology, room)
        ),
        *(f"  s{place}{_card(card, room)}" for place, card in enumerate(cards, start=1)),
        *map(_link, links(topology, shown)),
        "  classDef late stroke-dasharray:4 3",
    ]
    return "\n".join([*lines, ""])


def quoted(lines: Iterable[str]) -> str:
    """Return a label: what is no plain character is a code, as Mermaid has no other escape.

    No colon stays: a line with ``style``, a colon and a code would lose its last character.
    """
    return f'"{"<br/>".join("".join(map(_code, line)) for line in lines)}"'


def _code(character: str) -> str:
    return character if _PLAIN.match(character) else f"#{ord(character)};"


def _hosts(topology: Topology) -> Iterator[str]:
    network = topology.cluster.network
    yield f"  router[{_host(router_host(topology))}] --- lan[{quoted([f'lan0 {network.lan}'])}]"
    yield from _clients(topology.lan_clients, "lan", "c")
    yield from _clients(topology.outside_clients, "router", "f")


def _clients(clients: Sequence[Client], to: str, letter: str) -> Iterator[str]:
    for place, host in enumerate(client_hosts(clients)):
        yield f"  {letter}{place}([{_host(host)}]) --- {to}"


def _host(host: Host) -> str:
    return quoted([fitted(host.name, ROOM), *host.lines])


def _node(name: str, node: NodeSpots, topology: Topology, room: int) -> Iterator[str]:
    lines = words.node_lines(node.node, topology.cluster.network.pod_network)
    # A title of two lines would lie over what is inside.
    title = ", ".join([fitted(clean(node.node.name), room), *lines])
    yield f"  subgraph {name}[{quoted([title])}]"
    yield f"    {name}b[{quoted([words.bridge_line(node.node)])}]"
    for number, spot in enumerate(node.spots):
        late = "" if spot.state is State.READY else ":::late"
        yield f"    {name}p{number}({_spot(spot, room)}){late}"
    joined = [f"{name}p{n}" for n, spot in enumerate(node.spots) if not spot.host_network]
    if joined:
        yield f"    {name}b --- {' & '.join(joined)}"
    yield "  end"
    yield f"  lan --- {name}"


def _spot(spot: Spot, room: int) -> str:
    return quoted([words.spot_title(spot, room), words.spot_line(spot)])


def _card(card: Card, room: int) -> str:
    lines = [fitted(card.name, room), card.kind, *(fact.text for fact in card.lines)]
    return f"[[{quoted(filter(None, lines))}]]"


def _link(link: Link) -> str:
    """From the pod to the Service, so that Services stand behind the pods: thick if it is ready."""
    to = f"n{link.node}" if link.spot is None else f"n{link.node}p{link.spot}"
    return f"  {to} {'===' if link.ready else '-.-'} s{link.service}"
