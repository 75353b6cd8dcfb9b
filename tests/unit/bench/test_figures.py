"""Medians, spreads and ratios, by arithmetic."""

from __future__ import annotations

import pytest

from labkit.bench.figures import (
    Spread,
    amount,
    amounts,
    percentile,
    ratio,
    ratios,
    readable,
    spread,
    tick,
    times,
)
from tests.unit.bench.examples import measured


def test_a_spread_is_the_median_and_the_ends() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0)


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.01, 1), (0.0, 1)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_a_percentile_of_one_value_is_that_value() -> None:
    assert percentile([4.0], 0.99) == 4.0


def test_a_ratio_is_taken_within_each_round() -> None:
    # A machine that was busy in the second round slowed both: the median of the rounds is 2, where
    # the ratio of the medians would be 20 / 1.
    assert ratio([2.0, 20.0, 30.0], [1.0, 10.0, 1.0]) == 2.0


def test_rounds_that_only_one_has_do_not_count() -> None:
    assert ratio([3.0], [1.0, 100.0]) == 3.0


@pytest.mark.parametrize("beside", [(), (0.0,)])
def test_beside_nothing_there_is_no_ratio(beside: tuple[float, ...]) -> None:
    assert ratio([1.0], beside) is None


def test_a_ratio_is_to_the_same_metric_size_and_setting() -> None:
    measurements = [
        measured("floor", [1.0]),
        measured("floor", [5.0], size=20),
        measured("floor", [7.0], setting="2 nodes"),
        measured("floor", [9.0], metric="tear-down"),
        measured("labkit", [2.0]),
        measured("labkit", [2.0], size=30),
        measured("labkit", [2.0], beside=""),
    ]

    assert ratios(measurements) == [1.0, 1.0, 1.0, 1.0, 2.0, None, None]


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1.3574, "s", "1.36 s"),
        (0.1464, "s", "146 ms"),
        (0.0009996, "s", "1,000 µs"),
        (3.79e-05, "s", "37.9 µs"),
        (0.0, "s", "0 µs"),
        (61.23, "s", "61.2 s"),
        (8507.4, "a second", "8,510 a second"),
        (0.7014, "a second", "0.701 a second"),
        (12_345_678, "bytes", "12.3 MB"),
        (-24_600, "bytes", "-24.6 kB"),
        (1.25, "each", "1.25"),
        (9.999, "each", "10.0"),
    ],
)
def test_an_amount_has_three_digits_and_its_unit(value: float, unit: str, said: str) -> None:
    assert amount(value, unit) == said


def test_a_spread_is_written_in_the_unit_of_its_median() -> None:
    assert amounts(Spread(0.9, 0.08, 1.2), "s") == ("900 ms", "80.0-1,200")
    assert amounts(Spread(5.0, -1.0, 6.0), "each") == ("5.00", "-1.00 to 6.00")


@pytest.mark.parametrize(
    ("value", "said"), [(0.001, "1 ms"), (0.1, "100 ms"), (10.0, "10 s"), (1e-5, "10 µs")]
)
def test_a_tick_is_round(value: float, said: str) -> None:
    assert tick(value, "s") == said


def test_large_ticks_are_no_powers() -> None:
    assert tick(10_000, "a second") == "10,000"


@pytest.mark.parametrize(
    ("value", "said"), [(None, ""), (1.0, "1.00"), (18.07, "18.1"), (0.0421, "0.0421")]
)
def test_a_ratio_is_written_as_a_factor(value: float | None, said: str) -> None:
    assert times(value) == said


@pytest.mark.parametrize(
    ("sizes", "written"),
    [
        ([10, 100, 1000, 5000, 10000], {10, 100, 1000, 10000}),
        ([10, 100, 500, 1000, 2000], {10, 100, 500, 1000, 2000}),
        ([7], {7}),
        ([], set()),
    ],
)
def test_sizes_that_would_be_written_over_each_other_are_left_out(
    sizes: list[int], written: set[int]
) -> None:
    assert readable(sizes) == written
