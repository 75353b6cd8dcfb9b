"""The topology as one SVG picture: no script, nothing from elsewhere, ASCII. Pure.

Source: Scalable Vector Graphics (SVG) 2, W3C Candidate Recommendation, 5.4 (title and desc).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from labkit.report.graph import layout as places
from labkit.report.graph import words
from labkit.report.graph.cards import Card, Host
from labkit.report.graph.layout import Box, Layout, PlacedNode, Wire, layout_of
from labkit.report.graph.measure import fitted, room_for, width_px
from labkit.report.graph.style import MARKS, hue, style_sheet
from labkit.report.graph.topology import Membership, Spot, State, Topology
from labkit.report.graph.words import Weight
from labkit.report.text import clean, plural

WEIGHTS: Final = {
    Weight.PLAIN: "ink",
    Weight.QUIET: "quiet",
    Weight.STRONG: "ink strong",
    Weight.WARNING: "warning strong",
}
STACK: Final = 4
"""How far the second sheet of a group stands out."""


def topology_svg(topology: Topology) -> str:
    """Return the picture as a file."""
    return f'<?xml version="1.0" encoding="utf-8"?>\n{picture(topology)}'


def picture(topology: Topology) -> str:
    """Return the picture as an element, which a page can hold."""
    root = drawn(layout_of(topology))
    indent(root)
    ascii_bytes: bytes = tostring(root, encoding="us-ascii", xml_declaration=False)
    return ascii_bytes.decode() + "\n"


def inline_picture(topology: Topology, ids: str) -> str:
    """Return the picture for a page that holds several, and the style sheet once.

    Args:
        topology: what to draw.
        ids: what the picture's own anchors on that page start with.
    """
    root = drawn(layout_of(topology), ids)
    del root.attrib["xmlns"]
    root.remove(next(root.iter("style")))
    ascii_bytes: bytes = tostring(root, encoding="us-ascii", xml_declaration=False)
    return ascii_bytes.decode()


def drawn(layout: Layout, ids: str = "topology") -> Element:
    """Return the picture as a tree."""
    name = clean(layout.topology.cluster.name)
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "topology",
            "width": str(layout.width),
            "height": str(layout.height),
            "viewBox": f"0 0 {layout.width} {layout.height}",
            "role": "img",
            "aria-labelledby": f"{ids}-title {ids}-desc",
        },
    )
    SubElement(root, "title", {"id": f"{ids}-title"}).text = f"Topology of {name}"
    description = " ".join(words.description(layout.topology))
    SubElement(root, "desc", {"id": f"{ids}-desc"}).text = description
    numbers = [card.service.number for card, _ in layout.cards if card.service]
    SubElement(root, "style").text = style_sheet(numbers)
    _rect(root, "paper", Box(0, 0, layout.width, layout.height), radius=0)
    _head(root, layout, name)
    _wires(root, "wire", [*layout.outside_wires, *layout.lan_wires])
    _lan(root, layout)
    for host in layout.hosts:
        _host(root, *host)
    for node in layout.nodes:
        _node(root, node, layout.topology)
    _services(root, layout)
    _legend(root, layout)
    return root


def _head(root: Element, layout: Layout, name: str) -> None:
    room = room_for(layout.width - 2 * places.MARGIN, places.TITLE_PX)
    y = places.MARGIN + places.TITLE_PX - 4
    _text(root, "ink words title", places.MARGIN, y, fitted(name, room))
    for place, line in enumerate(layout.setting, start=1):
        _text(root, "quiet words setting", places.MARGIN, y + 5 + place * places.LINE, line)


def _lan(root: Element, layout: Layout) -> None:
    network = layout.topology.cluster.network
    group = SubElement(root, "g")
    _rect(group, "lan", layout.lan)
    x, y = layout.lan.x + places.PAD, layout.lan.y + layout.lan.height // 2 + 4
    _text(group, "ink strong", x, y, f"lan0 {network.lan}")
    right = layout.lan.right - places.PAD
    _text(group, "quiet words end", right, y, "bridge of the LAN, in the fabric")


def _host(root: Element, host: Host, box: Box) -> None:
    group = SubElement(root, "g", {"class": "router-box" if host.router else "client"})
    _tip(group, ", ".join([host.name, *(host.stands_for or host.lines)]))
    _rect(group, "router" if host.router else "host", box)
    x, y = box.x + places.PAD, box.y + places.PAD + places.NAME_PX
    kind = "in the fabric" if host.router else "client"
    room = room_for(box.width - 2 * places.PAD - width_px(kind, 11), places.NAME_PX)
    _text(group, "ink name", x, y, fitted(host.name, room - 1))
    _text(group, "quiet words end", box.right - places.PAD, y, kind)
    _lines(group, host.lines, box, y + 6)


def _node(root: Element, placed: PlacedNode, topology: Topology) -> None:
    node, box = placed.node.node, placed.box
    network = topology.cluster.network.pod_network
    group = SubElement(root, "g", {"class": "node-box"})
    lines = words.node_lines(node, network)
    _tip(group, ", ".join([f"node {clean(node.name)}", *lines, words.bridge_line(node)]))
    _rect(group, "node", box)
    x, y = box.x + places.PAD, box.y + places.PAD + places.NAME_PX
    zone = f"node, zone {clean(node.zone)}" if node.zone else "node"
    room = room_for(box.width - 2 * places.PAD, places.NAME_PX)
    name = fitted(clean(node.name), max(room - 8, room * 2 // 3 if node.zone else room - 8))
    _text(group, "ink name", x, y, name)
    left = box.width - 3 * places.PAD - width_px(name, places.NAME_PX)
    zone = fitted(zone, room_for(left, places.SMALL_PX))
    _text(group, "quiet words end", box.right - places.PAD, y, zone)
    _lines(group, lines, box, y + 6)
    _wires(group, "veth", placed.wires)
    _rect(group, "bridge", placed.bridge, radius=4)
    middle = placed.bridge.y + placed.bridge.height // 2 + 4
    _text(group, "ink", placed.bridge.x + 8, middle, words.bridge_line(node))
    pods = plural(placed.node.pods, "pod")
    _text(group, "quiet words end", placed.bridge.right - 8, middle, pods)
    for spot, spot_box in placed.spots:
        _spot(group, spot, spot_box, topology)


def _spot(node: Element, spot: Spot, box: Box, topology: Topology) -> None:
    classes = ["spot", *(f"to-{number}" for number, _ in spot.services)]
    group = SubElement(node, "g", {"class": " ".join(classes)})
    _tip(group, words.spot_names(spot, topology.services))
    if len(spot.pods) > 1:
        _rect(group, "pod", box._replace(x=box.x + STACK, y=box.y + STACK), radius=5)
    _rect(group, "pod", box, radius=5)
    _mark(group, spot.state, box.x + places.SPOT_TEXT // 2, box.y + places.SPOT_HEIGHT // 2)
    x, right = box.x + places.SPOT_TEXT, box.right - 8
    title = words.spot_title(spot, room_for(right - x, places.NAME_PX))
    _text(group, "ink name", x, box.y + 18, title)
    line = fitted(words.spot_line(spot), room_for(right - x, places.SMALL_PX))
    kind = "quiet" if spot.state is State.READY else "warning"
    _text(group, kind, x, box.y + 34, line)
    # The numbers go to the end of the line that is shorter.
    above, below = width_px(title, places.NAME_PX), width_px(line, places.SMALL_PX)
    y = box.y + (6 if above < below else 23)
    chip = places.chip_px(topology)
    room = (right - x - min(above, below) - 6) // chip
    _chips(group, spot.services, Box(right, y, chip, 16), room)


def _chips(group: Element, services: Sequence[Membership], end: Box, room: int) -> None:
    """The numbers of Services that end at ``end``; the last says how many there is no room for."""
    shown = services if len(services) <= room else services[: max(room - 2, 0)]
    more = len(services) - len(shown)
    place = end._replace(x=end.x - end.width * (len(shown) + (2 if more else 0)) + 3)
    for number, state in shown:
        _chip(group, number, place, state)
        place = place._replace(x=place.x + end.width)
    if more:
        _text(group, "quiet", place.x + 2, place.y + 12, f"+{more}")


def _chip(group: Element, number: int, place: Box, state: State) -> None:
    kind = hue(number) if state is State.READY else f"{hue(number)} hollow"
    chip = SubElement(group, "g", {"class": kind})
    box = place._replace(width=place.width - 3)
    _rect(chip, "late" if state is State.SERVING else "number-box", box, radius=4)
    _text(chip, "number words", box.middle, box.y + 12, str(number))


def _services(root: Element, layout: Layout) -> None:
    count = len(layout.topology.services)
    heading = plural(count, "Service") if count else "No Services"
    _text(root, "ink words heading", layout.left, layout.services_y, heading)
    for card, box in layout.cards:
        _card(root, card, box, places.chip_px(layout.topology))


def _card(root: Element, card: Card, box: Box, chip: int) -> None:
    service = card.service
    group = SubElement(root, "g", {"class": f"card-{service.number}" if service else "more-cards"})
    _tip(group, words.service_names(service) if service else ", ".join(card.stands_for))
    _rect(group, "card", box)
    x, y = box.x + places.PAD, box.y + places.PAD + places.NAME_PX
    after = x
    if service:
        _chip(group, service.number, Box(x, y - 12, chip, 16), State.READY)
        after = x + chip + 6
    room = room_for(box.right - places.PAD - after, places.NAME_PX)
    _text(group, "ink name", after, y, fitted(card.name, room))
    y += 3
    for fact in (words.Fact(card.kind, Weight.QUIET), *card.lines):
        y += places.LINE
        _text(group, WEIGHTS[fact.weight], x, y, fact.text)


def _legend(root: Element, layout: Layout) -> None:
    """What the marks mean, of those that are there."""
    for entry, (x, y) in layout.legend:
        if isinstance(entry.mark, Membership):
            _chip(root, entry.mark.service, Box(x, y - 12, places.CHIP, 16), entry.mark.state)
        else:
            _mark(root, entry.mark, x + 8, y - 4)
        _text(root, "quiet", x + places.LEGEND_MARK, y, entry.meaning)


def _mark(parent: Element, state: State, x: int, y: int) -> None:
    """A disc for ready, a ring for not ready, a broken ring or a cross for what goes."""
    at = {"class": MARKS[state], "cx": str(x), "cy": str(y), "r": "5", "stroke-width": "2"}
    if state in {State.SERVING, State.MIXED, State.PARTLY}:
        at["stroke-dasharray"] = "3 2"
    SubElement(parent, "circle", at)
    if state is State.TERMINATING:
        _wires(parent, "gone", [Wire(x - 3, y - 3, x + 3, y + 3)])


def _lines(group: Element, lines: Iterable[str], box: Box, y: int) -> None:
    room = room_for(box.width - 2 * places.PAD, places.SMALL_PX)
    for line in lines:
        y += places.LINE
        _text(group, "ink", box.x + places.PAD, y, fitted(line, room))


def _tip(group: Element, text: str) -> None:
    SubElement(group, "title").text = text


def _text(parent: Element, kind: str, x: int, y: int, text: str) -> None:
    SubElement(parent, "text", {"class": kind, "x": str(x), "y": str(y)}).text = text


def _rect(parent: Element, kind: str, box: Box, *, radius: int = 8) -> None:
    at = {"x": str(box.x), "y": str(box.y), "width": str(box.width), "height": str(box.height)}
    SubElement(parent, "rect", {"class": kind, **at, "rx": str(radius)})


def _wires(parent: Element, kind: str, wires: Iterable[Wire]) -> None:
    for x1, y1, x2, y2 in wires:
        at = {"x1": str(x1), "y1": str(y1), "x2": str(x2), "y2": str(y2)}
        SubElement(parent, "line", {"class": kind, **at})
