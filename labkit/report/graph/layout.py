"""Where everything of a picture is: boxes and wires in whole pixels, by arithmetic alone. Pure.

From top to bottom: clients, the router and the LAN's bridge; the nodes that hang on it, in rows;
the Services in cards. A row that is not next to the LAN's bridge hangs on a trunk at the left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from typing import Final, Generic, NamedTuple, TypeVar

from labkit.report.graph import words
from labkit.report.graph.cards import (
    Card,
    Entry,
    Host,
    client_hosts,
    legend_entries,
    router_host,
    service_cards,
)
from labkit.report.graph.measure import fitted, room_for, width_px
from labkit.report.graph.topology import NodeSpots, Spot, Topology

T = TypeVar("T")

MARGIN: Final = 28
GAP: Final = 24
"""Between boxes, and from a box to the bus that it hangs on."""
PAD: Final = 14
"""Between a box and what is in it."""
TRUNK: Final = 24
"""Room at the left for the trunk."""
NARROW: Final = 284
WIDE: Final = 364
WIDE_OF_MANY: Final = 316
"""A column is as wide as the text of pods asks for, between these; the last of 4 or more."""
TITLE_PX: Final = 22
NAME_PX: Final = 13
SMALL_PX: Final = 11
LINE: Final = 17
"""Height of a line of small text."""
HEADING: Final = 26
"""Height of the line with a box's name."""
LAN_HEIGHT: Final = 32
BRIDGE_HEIGHT: Final = 24
SPOT_HEIGHT: Final = 44
SPOT_GAP: Final = 9
SPOT_INDENT: Final = 18
SPOT_TEXT: Final = 26
"""From the left of a spot to its text; the mark of its state is before it."""
CHIP: Final = 22
"""Room for the number of a Service, of two digits at most."""
WIDE_CHIP: Final = 30
LEGEND_MARK: Final = 26
"""Room for a mark in the legend."""
_LONGEST: Final = 99


class Box(NamedTuple):
    """A rectangle; x and y are of its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """Where it ends."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """Where it ends."""
        return self.y + self.height

    @property
    def middle(self) -> int:
        """Half way from left to right."""
        return self.x + self.width // 2


class Wire(NamedTuple):
    """A straight line from one point to another."""

    x1: int
    y1: int
    x2: int
    y2: int


class Point(NamedTuple):
    """A place."""

    x: int
    y: int


class Placed(NamedTuple, Generic[T]):
    """Something, and where it is."""

    what: T
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedNode:
    """A node, with its bridge and its spots of pods."""

    node: NodeSpots
    box: Box
    bridge: Box
    spots: tuple[Placed[Spot], ...]
    wires: tuple[Wire, ...]
    """The veth pairs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The whole picture."""

    topology: Topology
    width: int
    height: int
    left: int
    """Where rows begin; left of it is the trunk."""
    setting: tuple[str, ...]
    """The lines below the title."""
    hosts: tuple[Placed[Host], ...]
    """Clients and the router."""
    lan: Box
    nodes: tuple[PlacedNode, ...]
    services_y: int
    """Base line of the heading above the Services."""
    cards: tuple[Placed[Card], ...]
    lan_wires: tuple[Wire, ...]
    outside_wires: tuple[Wire, ...]
    """From the router to the clients behind it."""
    legend: tuple[tuple[Entry, Point], ...]
    """What the marks mean, and where on the base line each is."""


class _Grid(NamedTuple):
    """Columns of equal width."""

    left: int
    column: int
    columns: int

    @property
    def width(self) -> int:
        return self.columns * (self.column + GAP) - GAP

    def centred(self, columns: int) -> _Grid:
        """As many columns of the same width, in the middle."""
        fewer = self._replace(columns=min(columns, self.columns))
        return fewer._replace(left=self.left + (self.width - fewer.width) // 2)

    def rows(self, heights: Sequence[int], top: int, gap: int) -> list[list[Box]]:
        """Boxes row by row; those of a row are as high as its highest."""
        found = []
        for start in range(0, len(heights), self.columns):
            high = max(heights[start : start + self.columns])
            places = range(len(heights[start : start + self.columns]))
            lefts = [self.left + place * (self.column + GAP) for place in places]
            found.append([Box(left, top, self.column, high) for left in lefts])
            top += high + gap
        return found


def layout_of(topology: Topology) -> Layout:
    """Return where everything of ``topology`` is."""
    outside = list(client_hosts(topology.outside_clients))
    beside = [router_host(topology), *client_hosts(topology.lan_clients)]
    page = _page(topology, max(len(outside), len(beside)))
    setting = _setting(topology, page.width)

    top = MARGIN + TITLE_PX + LINE * len(setting) + GAP
    behind = page.centred(len(outside)).rows(_heights(outside), top, 2 * GAP) if outside else []
    near_top = _end(behind) + 2 * GAP if behind else top
    near = page.centred(len(beside)).rows(_heights(beside), near_top, 2 * GAP)
    lan = Box(MARGIN, _end(near) + GAP, page.left + page.width - MARGIN, LAN_HEIGHT)
    below = page.centred(_node_columns(len(topology.nodes))).rows(
        [_node_height(each, topology) for each in topology.nodes], lan.bottom + GAP, 2 * GAP
    )
    services_y = _end(below) + 2 * GAP
    cards = tuple(_cards(topology, page, services_y + PAD))
    bottom = cards[-1].box.bottom if cards else services_y
    legend = tuple(_legend(topology, page, bottom + GAP + LINE))
    return Layout(
        topology=topology,
        width=page.left + page.width + MARGIN,
        height=(legend[-1][1].y if legend else bottom) + MARGIN,
        left=page.left,
        setting=setting,
        hosts=(*_placed(outside, behind), *_placed(beside, near)),
        lan=lan,
        nodes=tuple(_node(*each, topology) for each in _placed(topology.nodes, below)),
        services_y=services_y,
        cards=cards,
        lan_wires=tuple(_lan_wires(near, lan, below)),
        outside_wires=tuple(_outside_wires(behind, near[0][0])),
        legend=legend,
    )


def chip_px(topology: Topology) -> int:
    """Room for the number of a Service."""
    return CHIP if len(topology.services) < 100 else WIDE_CHIP  # noqa: PLR2004 - three digits


def _page(topology: Topology, hosts: int) -> _Grid:
    """The grid of the whole picture."""
    nodes, services = len(topology.nodes), len(topology.services)
    columns = max(_node_columns(nodes), min(max(isqrt(services + 1), hosts, 2), 4))
    trunk = nodes > _node_columns(nodes) or hosts > columns
    asked = max((_text_px(spot) for node in topology.nodes for spot in node.spots), default=0)
    widest = WIDE if columns < 4 else WIDE_OF_MANY  # noqa: PLR2004 - a screen's width
    column = min(max(NARROW, asked + 2 * PAD + SPOT_INDENT + SPOT_TEXT + PAD), widest)
    return _Grid(left=MARGIN + (TRUNK if trunk else 0), column=column, columns=columns)


def _text_px(spot: Spot) -> int:
    title = words.spot_title(spot, _LONGEST)
    return max(width_px(title, NAME_PX), width_px(words.spot_line(spot), SMALL_PX))


def _node_columns(nodes: int) -> int:
    """How many nodes stand in a row: the picture is not much wider than a screen."""
    for most, columns in ((4, nodes), (6, 3), (20, 4), (48, 6)):
        if nodes <= most:
            return columns
    return 8


def _setting(topology: Topology, width: int) -> tuple[str, ...]:
    """What is said below the title, broken between its parts alone."""
    lines: list[str] = []
    for parts in (words.setting(topology), words.counts(topology)):
        lines.append(parts[0])
        for part in parts[1:]:
            longer = f"{lines[-1]} · {part}"
            if width_px(longer, NAME_PX) <= width:
                lines[-1] = longer
            else:
                lines.append(part)
    return tuple(fitted(line, room_for(width, NAME_PX)) for line in lines)


def _cards(topology: Topology, page: _Grid, top: int) -> Iterator[Placed[Card]]:
    room = room_for(page.column - 2 * PAD, SMALL_PX)
    cards = list(service_cards(topology.services, room))
    return _placed(cards, page.rows([_card_height(card) for card in cards], top, GAP))


def _legend(topology: Topology, page: _Grid, y: int) -> Iterator[tuple[Entry, Point]]:
    """The entries side by side, and on more lines where they have no room."""
    x = page.left
    for entry in legend_entries(topology):
        width = LEGEND_MARK + width_px(entry.meaning, SMALL_PX)
        if x > page.left and x + width > page.left + page.width:
            x, y = page.left, y + LINE + SPOT_GAP
        yield entry, Point(x, y)
        x += width + PAD


def _placed(things: Iterable[T], rows: Sequence[Sequence[Box]]) -> Iterator[Placed[T]]:
    boxes = [box for row in rows for box in row]
    return (Placed(thing, box) for thing, box in zip(things, boxes, strict=True))


def _end(rows: Sequence[Sequence[Box]]) -> int:
    return rows[-1][0].bottom


def _heights(hosts: Sequence[Host]) -> list[int]:
    return [PAD + HEADING + LINE * len(host.lines) + PAD // 2 for host in hosts]


def _card_height(card: Card) -> int:
    return PAD + NAME_PX + LINE * (1 + len(card.lines)) + PAD


def _above_bridge(spots: Sequence[Spot]) -> int:
    """How many spots are on the host network: they have no veth pair that leads to ``cni0``."""
    return sum(spot.host_network for spot in spots)


def _node_head(node: NodeSpots, topology: Topology) -> int:
    lines = words.node_lines(node.node, topology.cluster.network.pod_network)
    return PAD + HEADING + LINE * len(lines) + SPOT_GAP


def _node_height(node: NodeSpots, topology: Topology) -> int:
    spots = len(node.spots) * (SPOT_HEIGHT + SPOT_GAP)
    return _node_head(node, topology) + BRIDGE_HEIGHT + spots + PAD


def _node(node: NodeSpots, box: Box, topology: Topology) -> PlacedNode:
    """Everything inside a node's box."""
    x, y = box.x + PAD + SPOT_INDENT, box.y + _node_head(node, topology)
    width = box.right - PAD - x
    above = _above_bridge(node.spots)
    step = SPOT_HEIGHT + SPOT_GAP
    bridge = Box(box.x + PAD, y + above * step, box.width - 2 * PAD, BRIDGE_HEIGHT)
    tops = [
        y + place * step if place < above else bridge.bottom + SPOT_GAP + (place - above) * step
        for place in range(len(node.spots))
    ]
    spots = tuple(
        Placed(spot, Box(x, top, width, SPOT_HEIGHT))
        for spot, top in zip(node.spots, tops, strict=True)
    )
    return PlacedNode(
        node=node, box=box, bridge=bridge, spots=spots, wires=tuple(_veths(bridge, spots[above:]))
    )


def _veths(bridge: Box, spots: Sequence[Placed[Spot]]) -> Iterator[Wire]:
    """One line down from the bridge, and a branch to each spot."""
    if not spots:
        return
    x, halves = bridge.x + SPOT_INDENT // 2, [box.y + box.height // 2 for _, box in spots]
    yield Wire(x, bridge.bottom, x, halves[-1])
    yield from (Wire(x, y, spots[0].box.x, y) for y in halves)


def _lan_wires(
    near: Sequence[Sequence[Box]], lan: Box, below: Sequence[Sequence[Box]]
) -> Iterator[Wire]:
    """From every host and node to the LAN's bridge, or to its row's bus and by the trunk."""
    buses = [*_buses(near[:-1], above=False), *_buses(below[1:], above=True)]
    yield from (_drop(box, lan.y) for box in near[-1])
    yield from (_rise(box, lan.bottom) for row in below[:1] for box in row)
    yield from (_drop(box, _below(row)) for row in near[:-1] for box in row)
    yield from (_rise(box, row[0].y - GAP) for row in below[1:] for box in row)
    yield from buses
    if buses:
        trunk = buses[0].x1
        first, last = min(bus.y1 for bus in buses), max(bus.y1 for bus in buses)
        yield Wire(trunk, min(first, lan.bottom), trunk, max(last, lan.y))


def _outside_wires(behind: Sequence[Sequence[Box]], router: Box) -> Iterator[Wire]:
    """From every client behind the router to its row's bus, and from there to the router."""
    if not behind:
        return
    yield from (_drop(box, _below(row)) for row in behind for box in row)
    buses = list(_buses(behind, above=False))
    if len(behind) > 1:
        yield from buses
        yield Wire(buses[0].x1, buses[0].y1, buses[0].x1, buses[-1].y1)
    ends = [router.middle, *(box.middle for box in behind[-1])]
    yield Wire(min(ends), _below(behind[-1]), max(ends), _below(behind[-1]))
    yield Wire(router.middle, _below(behind[-1]), router.middle, router.y)


def _buses(rows: Sequence[Sequence[Box]], *, above: bool) -> Iterator[Wire]:
    """The line that the boxes of a row hang on, from the trunk to the last of them."""
    for row in rows:
        y = row[0].y - GAP if above else _below(row)
        yield Wire(MARGIN + LINE // 2, y, row[-1].middle, y)


def _below(row: Sequence[Box]) -> int:
    return row[0].bottom + GAP


def _drop(box: Box, y: int) -> Wire:
    return Wire(box.middle, box.bottom, box.middle, y)


def _rise(box: Box, y: int) -> Wire:
    return Wire(box.middle, y, box.middle, box.y)
