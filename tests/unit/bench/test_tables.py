"""Tables of stored figures, for a terminal and as Markdown."""

from __future__ import annotations

from labkit.bench.results import LeftOut
from labkit.bench.tables import metrics_of, report_markdown, report_text, sections
from tests.unit.bench.examples import measured, reported

LAB = reported(
    measured("floor", [0.1, 0.2, 0.3]),
    measured("labkit", [0.2, 0.4, 0.6], setting="1 node", beside=""),
    measured("labkit", [0.3, 0.4, 0.3]),
    measured("labkit", [5000.0], metric="memory", unit="bytes"),
    left_out=[LeftOut(contestant="mininet", why="it is not installed; apt-get install mininet")],
)


def rows(text: str) -> list[list[str]]:
    """The cells of a Markdown table's rows."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith("|-")
    ]


def test_a_table_shows_median_spread_and_ratio() -> None:
    assert rows(report_markdown(LAB)) == [
        ["pods", "", "set-up", "fastest-slowest", "× the floor"],
        ["10", "the floor", "200 ms", "100-300", "1.00"],
        ["10", "the labkit, 1 node", "400 ms", "200-600", ""],
        ["10", "the labkit", "300 ms", "300-400", "2.00"],
        ["pods", "", "memory", "fastest-slowest"],
        ["10", "the labkit", "5.00 kB", "5.00-5.00"],
    ]


def test_the_report_says_how_it_was_measured_and_who_was_left_out() -> None:
    for text in (report_text(LAB), report_markdown(LAB)):
        assert "3 rounds in turn, seed 7, 2026-01-02T03:04:05Z\n" in text
        assert "2 cores of Example, 8 GiB, Linux 6.18.0, load 0.5\n" in text
        assert "labkit 0.1.0, Python 3.11.2\n" in text
        assert "left out: mininet, it is not installed; apt-get install mininet\n" in text


def test_a_terminal_gets_the_same_figures() -> None:
    lines = [line.split() for line in report_text(LAB).splitlines()]
    assert ["10", "the", "floor", "200", "ms", "100-300", "1.00"] in lines


def test_an_interrupted_report_says_so() -> None:
    text = report_text(reported(measured("floor", [1.0]), complete=False))
    assert "2026-01-02T03:04:05Z, interrupted\n" in text


def test_many_sizes_are_columns_in_markdown() -> None:
    sizes = (10, 100, 1000)
    report = reported(
        *(measured("floor", [size / 100], size=size) for size in sizes),
        *(measured("labkit", [size / 50], size=size) for size in sizes[:2]),
    )

    assert rows(report_markdown(report)) == [
        ["set-up (× the floor)", "10 pods", "100 pods", "1,000 pods"],
        [
            "the floor",
            "100 ms (100-100) ×1.00",
            "1.00 s (1.00-1.00) ×1.00",
            "10.0 s (10.0-10.0) ×1.00",
        ],
        ["the labkit", "200 ms (200-200) ×2.00", "2.00 s (2.00-2.00) ×2.00", ""],
    ]


def test_rows_are_by_size_and_then_as_contestants_came() -> None:
    report = reported(
        measured("labkit", [1.0], size=100),
        measured("labkit", [1.0], size=10),
        measured("floor", [1.0], size=10),
    )

    (section,) = sections(report.runs[0])

    order = [(row.measurement.size, row.measurement.contestant) for row in section.rows]
    assert order == [(10, "labkit"), (10, "floor"), (100, "labkit")]


def test_several_measures_are_no_head() -> None:
    report = reported(
        measured("nft", [2.0], beside="by hand"),
        measured("by hand", [1.0], beside=""),
        measured("legacy", [6.0], beside="restore"),
        measured("restore", [2.0], beside=""),
    )

    head, *body = rows(report_markdown(report))

    assert head[-1] == "× its measure"
    assert [row[-1] for row in body] == ["2.00", "", "3.00", ""]


def test_rates_are_slowest_first() -> None:
    report = reported(measured("labkit", [100.0, 300.0, 200.0], unit="a second", beside=""))

    assert rows(report_markdown(report)) == [
        ["pods", "", "set-up", "slowest-fastest"],
        ["10", "the labkit", "200 a second", "100-300"],
    ]


def test_one_metric_can_be_asked_for() -> None:
    assert metrics_of(LAB) == ["set-up", "memory"]
    assert [row[2] for row in rows(report_markdown(LAB, metrics=["memory"]))] == [
        "memory",
        "5.00 kB",
    ]


def test_what_a_tool_said_cannot_break_a_table() -> None:
    report = reported(
        measured("floor", [1.0]), left_out=[LeftOut(contestant="x", why="it said \x1b[31m\nno")]
    )
    assert "\x1b" not in report_text(report)
    assert "it said �[31m no" in report_text(report)
