"""Where things are in a picture: nothing lies over anything else, and every wire arrives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import combinations, pairwise
from xml.etree.ElementTree import Element

import pytest

from labkit.report.graph.layout import Box, Layout, Wire, layout_of
from labkit.report.graph.measure import cells, fitted, wrapped
from labkit.report.graph.svg import drawn
from labkit.report.graph.topology import topology_of
from tests.unit.report.drawn import cluster_of

MONOSPACE_EM = 0.602
"""Of DejaVu Sans Mono, the widest of the fonts that the picture asks for."""
SIZES = {"number": 11, "name": 13, "heading": 15, "setting": 13, "title": 22}
Shape = tuple[int, int, int, int, int]
SHAPES: Sequence[Shape] = (
    (1, 0, 0, 1, 0),
    (1, 1, 1, 1, 0),
    (2, 2, 1, 1, 0),
    (2, 12, 30, 3, 1),
    (3, 40, 4, 7, 9),
    (5, 4, 6, 1, 4),
    (6, 9, 0, 20, 30),
    (20, 8, 31, 2, 1),
    (21, 3, 130, 1, 0),
    (100, 20, 70, 15, 3),
)
"""Nodes, pods on each, Services, clients on the LAN and behind the router."""
LONG = "a-name-as-long-as-a-label-can-be-which-is-sixty-three-in-all-ok"
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_name = pytest.mark.parametrize("name", ["", LONG, "名前の長いもの"])


@cache
def layout(shape: Shape, name: str = "") -> Layout:
    nodes, pods, services, clients, outside = shape
    return layout_of(
        topology_of(
            cluster_of(
                nodes=nodes,
                pods=pods,
                services=services,
                clients=clients,
                outside=outside,
                named=lambda short: f"{name}{short}",
            )
        )
    )


def boxes(found: Layout) -> list[Box]:
    """Everything that stands by itself."""
    return [
        found.lan,
        *(box for _, box in found.hosts),
        *(node.box for node in found.nodes),
        *(box for _, box in found.cards),
    ]


def overlap(one: Box, other: Box) -> bool:
    return (
        one.x < other.right
        and other.x < one.right
        and one.y < other.bottom
        and other.y < one.bottom
    )


def within(inner: Box, outer: Box) -> bool:
    return (
        outer.x <= inner.x
        and inner.right <= outer.right
        and outer.y <= inner.y
        and inner.bottom <= outer.bottom
    )


@every_name
@every_shape
def test_no_box_lies_over_another_or_outside_of_the_picture(shape: Shape, name: str) -> None:
    found = layout(shape, name)
    page = Box(0, 0, found.width, found.height)

    assert not [pair for pair in combinations(boxes(found), 2) if overlap(*pair)]
    assert all(within(box, page) for box in boxes(found))
    assert max(box.bottom for box in boxes(found)) < found.height


@every_name
@every_shape
def test_pods_and_bridge_are_in_their_node_side_by_side(shape: Shape, name: str) -> None:
    for node in layout(shape, name).nodes:
        inside = [node.bridge, *(box for _, box in node.spots)]

        assert not [pair for pair in combinations(inside, 2) if overlap(*pair)]
        assert all(within(box, node.box) for box in inside)


@every_shape
def test_every_node_and_client_and_card_is_there(shape: Shape) -> None:
    nodes, pods, services, clients, outside = shape
    found = layout(shape)

    assert len(found.nodes) == nodes
    assert all(
        sum(len(spot.pods) for spot, _ in node.spots) == pods == node.node.pods
        for node in found.nodes
    )
    assert len(found.hosts) == 1 + shown(clients, 12) + shown(outside, 12)
    assert len(found.cards) == shown(services, 60)


def shown(count: int, limit: int) -> int:
    """One that is too many is shown all the same: the box that says so would be as large."""
    return min(count, limit + 1)


def touches(one: Wire, other: Wire) -> bool:
    """Whether two lines, across or down, have a point in common."""
    return (
        min(one.x1, one.x2) <= max(other.x1, other.x2)
        and min(other.x1, other.x2) <= max(one.x1, one.x2)
        and min(one.y1, one.y2) <= max(other.y1, other.y2)
        and min(other.y1, other.y2) <= max(one.y1, one.y2)
    )


def outline(box: Box) -> Wire:
    """A box as what a wire can touch."""
    return Wire(box.x, box.y, box.right, box.bottom)


def reached(start: Box, wires: Iterable[Wire]) -> list[Wire]:
    """The wires that hang together with a box."""
    left, found, edge = list(wires), [], [outline(start)]
    while edge:
        here = edge.pop()
        new = [wire for wire in left if touches(here, wire)]
        left = [wire for wire in left if wire not in new]
        found += new
        edge += new
    return found


@every_shape
def test_wires_lead_from_the_lan_to_every_host_that_is_on_it(shape: Shape) -> None:
    found = layout(shape)
    outside = len(found.topology.outside_clients) and shown(len(found.topology.outside_clients), 12)
    wired = reached(found.lan, found.lan_wires)

    for box in [*(box for _, box in found.hosts[outside:]), *(node.box for node in found.nodes)]:
        assert any(touches(outline(box), wire) for wire in wired)
    for _, box in found.hosts[:outside]:
        assert not any(touches(outline(box), wire) for wire in wired)


@every_shape
def test_wires_lead_from_the_router_to_every_client_behind_it(shape: Shape) -> None:
    found = layout(shape)
    (router,) = [box for host, box in found.hosts if host.router]
    outside = found.hosts[: found.hosts.index(next(h for h in found.hosts if h.what.router))]
    wired = reached(router, found.outside_wires)

    assert all(any(touches(outline(box), wire) for wire in wired) for _, box in outside)
    assert bool(outside) == bool(found.outside_wires)


@every_shape
def test_a_wire_crosses_no_box_but_touches_its_end(shape: Shape) -> None:
    found = layout(shape)
    for wire in (*found.lan_wires, *found.outside_wires):
        left, right = sorted((wire.x1, wire.x2))
        top, bottom = sorted((wire.y1, wire.y2))
        for box in boxes(found):
            if box != found.lan:
                inner = Box(box.x + 1, box.y + 1, box.width - 2, box.height - 2)
                assert not overlap(inner, Box(left, top, right - left + 1, bottom - top + 1))


@every_shape
def test_a_pod_with_a_veth_pair_hangs_on_its_bridge_and_one_of_the_host_network_does_not(
    shape: Shape,
) -> None:
    for node in layout(shape).nodes:
        wired = reached(node.bridge, node.wires)
        for spot, box in node.spots:
            assert any(touches(outline(box), wire) for wire in wired) is not spot.host_network
            assert (box.y < node.bridge.y) is spot.host_network


def number(of: Element, name: str) -> int:
    return int(of.attrib[name])


def span(text: Element) -> tuple[float, float]:
    kinds = text.attrib["class"].split()
    size = next((SIZES[kind] for kind in kinds if kind in SIZES), 11)
    width = cells(text.text or "") * size * MONOSPACE_EM
    x = number(text, "x")
    if "end" in kinds:
        return x - width, x
    return (x - width / 2, x + width / 2) if "number" in kinds else (x, x + width)


def groups(root: Element) -> Iterator[Element]:
    return (each for each in root.iter("g") if each.find("rect") is not None)


@every_name
@every_shape
def test_text_stays_in_its_box_and_apart_from_other_text(shape: Shape, name: str) -> None:
    for group in groups(drawn(layout(shape, name))):
        rect = group.find("rect")
        assert rect is not None
        left, right = number(rect, "x"), number(rect, "x") + number(rect, "width")
        by_line: dict[int, list[tuple[float, float]]] = {}
        for text in group.findall("text"):
            start, end = span(text)
            assert left <= start, text.text
            assert end <= right, text.text
            by_line.setdefault(number(text, "y"), []).append((start, end))
        for line in by_line.values():
            ordered = sorted(line)
            assert all(one[1] <= two[0] for one, two in pairwise(ordered))


@every_name
@every_shape
def test_the_numbers_of_services_are_in_the_pods_box_and_not_on_its_text(
    shape: Shape, name: str
) -> None:
    root = drawn(layout(shape, name))
    spots = [each for each in root.iter("g") if "spot" in each.get("class", "").split()]
    for spot in spots:
        rect = spot.findall("rect")[-1]
        right = number(rect, "x") + number(rect, "width")
        for chip in spot.findall("g"):
            mark = chip.find("rect")
            assert mark is not None
            x, y = number(mark, "x"), number(mark, "y")
            assert x + number(mark, "width") <= right
            beside = [text for text in spot.findall("text") if y <= number(text, "y") <= y + 16]
            assert all(span(text)[1] <= x or span(text)[0] > x for text in beside)


@every_name
@every_shape
def test_title_and_legend_stay_in_the_picture(shape: Shape, name: str) -> None:
    found = layout(shape, name)
    for text in drawn(found).findall("text"):
        assert span(text)[1] <= found.width, text.text
        assert number(text, "y") < found.height


@pytest.mark.parametrize(
    ("text", "room", "short"),
    [
        ("web-1", 5, "web-1"),
        ("my-nginx-5d59d67564-abcde", 11, "my-ng…abcde"),
        ("my-nginx-5d59d67564-abcde", 10, "my-n…abcde"),
        ("abc", 1, "…"),
        ("名前の長い", 6, "名…い"),
    ],
)
def test_a_name_is_shortened_in_the_middle(text: str, room: int, short: str) -> None:
    assert fitted(text, room) == short


def test_text_of_too_many_lines_keeps_its_end() -> None:
    text = "9 endpoints: web-1, web-2, web-3, web-4, … 5 more"

    lines = list(wrapped(text, 20, 2))

    assert lines[0] == "9 endpoints: web-1,"
    assert lines[1].endswith("… 5 more")
    assert all(len(line) <= 20 for line in lines)
