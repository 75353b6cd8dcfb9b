"""What a picture shows, as data; and that matplotlib draws it the same way twice."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from labkit.bench.drawing import LABEL_GAP, apart, drawn
from labkit.bench.figures import Spread
from labkit.bench.plots import Point, footnote, panels
from tests.unit.bench.examples import measured, reported

GROWTH = reported(
    *(measured("floor", [size / 100], size=size) for size in (10, 100)),
    *(measured("labkit", [size, 2 * size, 3 * size], size=size) for size in (100, 10)),
    measured("labkit", [99.0], size=10, setting="2 nodes"),
    measured("labkit", [5.0], metric="file descriptors", unit="each"),
)


def test_a_line_goes_over_sizes_at_the_first_setting() -> None:
    (panel,) = panels(GROWTH)

    floor, labkit = panel.lines
    assert (panel.title, panel.sizes, panel.has_growth) == ("set-up", "pods", True)
    assert labkit.points == (
        Point(10, Spread(20, 10, 30)),
        Point(100, Spread(200, 100, 300)),
    )
    assert (floor.is_measure, floor.label) == (True, "the floor")
    assert (labkit.is_measure, labkit.label) == (False, "the labkit")


def test_metrics_that_are_asked_for_are_shown_instead() -> None:
    (panel,) = panels(GROWTH, metrics=["file descriptors"])
    assert (panel.title, panel.unit, panel.has_growth) == ("file descriptors", "each", False)


def test_a_contestant_has_one_colour_and_its_own_measure_the_same() -> None:
    report = reported(
        measured("nft", [2.0], beside="nft by hand"),
        measured("nft by hand", [1.0], beside=""),
        measured("ipvs", [3.0], beside=""),
        measured("ipvs", [3.0], beside="", metric="set-up again"),
        measured("nft", [3.0], beside="", metric="set-up again"),
    )

    first, second = panels(report)

    colours = {line.contestant: line.colour for line in first.lines}
    assert colours["nft"] == colours["nft by hand"] != colours["ipvs"]
    assert {line.contestant: line.colour for line in second.lines} == {
        name: colours[name] for name in ("nft", "ipvs")
    }


def test_the_measure_of_several_has_no_colour() -> None:
    report = reported(measured("floor", [1.0]), measured("a", [1.0]), measured("b", [1.0]))
    (panel,) = panels(report)
    assert [line.colour for line in panel.lines] == [None, 0, 1]


def test_what_is_not_above_zero_is_left_out_of_logarithmic_axes() -> None:
    report = reported(
        measured("floor", [-1.0], metric="memory", unit="bytes"),
        measured("labkit", [5.0], metric="memory", unit="bytes"),
        measured("labkit", [0.0], metric="memory", unit="bytes", size=20),
        measured("labkit", [0.0], metric="file descriptors", unit="each"),
    )

    (panel,) = panels(report, metrics=["memory", "file descriptors"])

    assert [(line.contestant, [each.size for each in line.points]) for line in panel.lines] == [
        ("labkit", [10])
    ]


def test_a_footnote_says_how_it_was_measured() -> None:
    assert footnote(GROWTH) == (
        "labkit bench lab: median of 3 rounds, fastest to slowest; 2 cores, Linux 6.18.0"
    )


@pytest.mark.parametrize(
    "places",
    [
        [0.1, 0.11, 0.12, 0.5],
        [0.97, 0.98, 0.99],
        [0.2],
        [0.0, 0.0, 0.0, 0.0],
    ],
)
def test_names_are_moved_apart_and_stay_inside(places: list[float]) -> None:
    moved = apart(places)

    assert all(b - a >= LABEL_GAP - 1e-9 for a, b in pairwise(moved))
    assert max(moved) <= 1.0
    assert min(moved) >= 0.0


def test_names_that_are_apart_stay_where_they_are() -> None:
    assert apart([0.1, 0.5, 0.9]) == [0.1, 0.5, 0.9]


def test_the_same_figures_are_the_same_picture() -> None:
    first, second = (drawn(panels(GROWTH), [footnote(GROWTH)], "svg") for _ in range(2))

    assert first == second
    assert ET.fromstring(first).tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 - our own
    assert b"<dc:date>" not in first


def test_a_png_is_a_png() -> None:
    dots = panels(GROWTH, metrics=["file descriptors"])
    assert drawn(dots, [], "png").startswith(b"\x89PNG\r\n\x1a\n")
