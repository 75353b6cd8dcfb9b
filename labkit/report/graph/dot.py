"""The topology as a graph for Graphviz' ``dot``. Pure, and ASCII.

Source: graphviz.org/doc/info: "The DOT Language" (quoted strings), "escString" (backslashes) and
"Character encodings" (``&amp;`` and its like stand for characters in every label).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from labkit.cluster.model import Client
from labkit.report.graph import words
from labkit.report.graph.cards import Card, client_hosts, router_host, service_cards
from labkit.report.graph.links import Link, links
from labkit.report.graph.topology import NodeSpots, State, Topology
from labkit.report.text import clean

ROOM: Final = 44
"""Characters of a line."""
CENTRED: Final = "\\n"
LEFT: Final = "\\l"
"""Escapes that end a line and say where it stands."""
HEAD: Final = (
    "  compound=true; newrank=true; ranksep=0.6; nodesep=0.25; labelloc=t; labeljust=l;",
    '  fontname="Helvetica"; fontsize=16;',
    '  node [shape=box, style="rounded,filled", fillcolor=white, color="#8c95a1",',
    '    fontname="Courier", fontsize=10, margin="0.12,0.06"];',
    '  edge [dir=none, color="#7d9cc0"];',
)
_CLUSTER: Final = 'style="rounded,filled"; fillcolor="#f6f8fa"; color="#8c95a1"; fontsize=12'
_LAN: Final = {"fillcolor": "#dbe7f5", "color": "#7d9cc0"}
_BRIDGE: Final = {"fillcolor": "#e3efe6", "color": "#86ad92"}
_LATE: Final = {"style": "rounded,dashed", "color": "#b45309"}
_SERVICE: Final = {"shape": "note", "style": "filled", "fillcolor": "#fdf6e3", "color": "#b45309"}


def topology_dot(topology: Topology) -> str:
    """Return the graph. Names are in labels alone: identifiers are made here."""
    cards = list(service_cards(topology.services, ROOM))
    shown = sum(card.service is not None for card in cards)
    title = [clean(topology.cluster.name), ", ".join(words.counts(topology))]
    lines = [
        f"digraph {quoted([clean(topology.cluster.name)])} {{",
        *HEAD,
        f"  label={left_aligned(title)};",
        *_hosts(topology),
        *(
            line
            for place, node in enumerate(topology.nodes)
            for line in _node(place, node, topology)
        ),
        *(_service(place, card) for place, card in enumerate(cards, start=1)),
        *map(_link, links(topology, shown)),
        "}",
    ]
    return "\n".join([*lines, ""])


def quoted(lines: Iterable[str]) -> str:
    """Return a string for a label whose lines are centred."""
    return f'"{CENTRED.join(map(_escaped, lines))}"'


def left_aligned(lines: Iterable[str]) -> str:
    """Return a string for a label whose lines begin at the left."""
    return f'"{"".join(f"{_escaped(line)}{LEFT}" for line in lines)}"'


def _escaped(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return safe.encode("ascii", "xmlcharrefreplace").decode()


def _vertex(name: str, lines: Sequence[str], **look: str) -> str:
    said = "".join(f", {key}={quoted([value])}" for key, value in look.items())
    return f"{name} [label={quoted(lines)}{said}];"


def _hosts(topology: Topology) -> Iterator[str]:
    router = router_host(topology)
    yield f"  subgraph cluster_fabric {{ label=fabric; {_CLUSTER}"
    yield f"    {_vertex('router', [router.name, *router.lines])}"
    yield f"    {_vertex('lan', [f'lan0 {topology.cluster.network.lan}'], **_LAN)}"
    yield "    router -> lan; }"
    yield from _clients(topology.lan_clients, "lan", "c")
    yield from _clients(topology.outside_clients, "router", "f")


def _clients(clients: Sequence[Client], to: str, letter: str) -> Iterator[str]:
    for place, host in enumerate(client_hosts(clients)):
        yield f"  {_vertex(f'{letter}{place}', [host.name, *host.lines])}"
        yield f"  {letter}{place} -> {to};"


def _node(place: int, node: NodeSpots, topology: Topology) -> Iterator[str]:
    name = f"n{place}"
    lines = words.node_lines(node.node, topology.cluster.network.pod_network)
    label = left_aligned([clean(node.node.name), *lines])
    yield f"  subgraph cluster_{name} {{ label={label}; {_CLUSTER}"
    yield f"    {_vertex(f'{name}b', [words.bridge_line(node.node)], **_BRIDGE)}"
    for number, spot in enumerate(node.spots):
        look: Mapping[str, str] = {} if spot.state is State.READY else _LATE
        said = [words.spot_title(spot, ROOM), words.spot_line(spot)]
        yield f"    {_vertex(f'{name}p{number}', said, **look)}"
        if not spot.host_network:
            yield f'    {name}b -> {name}p{number} [color="#86ad92"];'
    yield "  }"
    yield f"  lan -> {name}b [lhead=cluster_{name}];"


def _service(place: int, card: Card) -> str:
    lines = [card.name, card.kind, *(fact.text for fact in card.lines)]
    look = "".join(f", {key}={quoted([value])}" for key, value in _SERVICE.items())
    return f"  s{place} [label={left_aligned(filter(None, lines))}{look}];"


def _link(link: Link) -> str:
    """From the pod to the Service, so that Services stand below; the arrow points to the pod."""
    end = f"n{link.node}b" if link.spot is None else f"n{link.node}p{link.spot}"
    tail = f", ltail=cluster_n{link.node}" if link.spot is None else ""
    style = "solid" if link.ready else "dashed"
    return f'  {end} -> s{link.service} [dir=back, color="#b45309", style={style}{tail}];'
