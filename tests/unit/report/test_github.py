"""What GitHub Actions is told: escaped as its runner reads it, and no more than it takes."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from labkit.errors import ManifestError
from labkit.manifest.location import Location
from labkit.manifest.problems import Problem
from labkit.probe.flow import Outcome
from labkit.probe.table import Expected, flow_row
from labkit.report import render_results
from labkit.report.github import Annotation, annotations_of, of_problems, summary
from tests.unit.report.examples import failing, passing, result, table, timeout


def unescaped(text: str) -> str:
    """As ActionCommand.cs of actions/runner reads data; properties have two more."""
    for written, meant in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(written, meant)
    return text


def test_a_failing_check_is_an_error_where_it_stands() -> None:
    (found,) = annotations_of([result(passing(), failing())])

    assert found.command == (
        "::error file=scenarios/demo.yaml,line=51,col=1,title=a cluster IP answers (iptables)"
        "::expected connected, got timeout in 20 of 20 attempts"
    )


def test_a_scenario_that_could_not_be_run_is_an_error_of_its_file() -> None:
    (found,) = annotations_of([result(error="the kernel refused\nmore")])

    assert found.command == (
        "::error file=scenarios/demo.yaml,title=demo (iptables)%3A could not be run"
        "::the kernel refused%0Amore"
    )


def test_flows_that_are_not_as_specified_are_one_error_of_the_file() -> None:
    row = structs.replace(
        flow_row(timeout()),
        expected=Expected(
            outcome=Outcome.CONNECTED, backends=("web-1",), client_sources=(), why="it is ready"
        ),
        agrees=False,
    )
    flows = structs.replace(table(), flows=(row,) * 7)

    (found,) = annotations_of([result(table=flows)])

    assert found.title == "demo (iptables): 7 flows not as specified"
    *first, last = found.message.split("\n")
    assert len(first) == 5
    assert "timeout; specified: connected by web-1: it is ready" in first[0]
    assert last == "and 2 more flows"


def test_nothing_is_told_of_what_passed() -> None:
    assert list(annotations_of([result(passing())])) == []


def test_a_problem_of_a_manifest_is_an_error_where_it_stands() -> None:
    problem = Problem(
        Location(file="lab.yaml", line=3, column=7), "spec.nodes", "is missing", "add one"
    )

    (found,) = of_problems(ManifestError([problem]).problems)

    assert (
        found.command == "::error file=lab.yaml,line=3,col=7,title=spec.nodes::is missing; add one"
    )


@given(st.text(), st.text())
def test_no_text_ends_a_property_or_begins_a_line(title: str, message: str) -> None:
    command = Annotation("a,b:c%.yaml", 1, 2, title, message).command

    (properties, told) = re.fullmatch("::error (.*?)::(.*)", command).groups()  # type: ignore[union-attr]
    names = [each.partition("=")[0] for each in properties.split(",")]
    assert names == ["file", "line", "col", "title"]
    assert unescaped(properties.partition("file=")[2].partition(",")[0]) == "a,b:c%.yaml"
    assert "\n" not in told
    assert "\r" not in told


def test_a_summary_is_the_report_where_that_has_room() -> None:
    results = [result(passing()), result(failing())]

    assert summary(results) == render_results(results, "markdown")


def test_a_summary_without_room_for_all_tells_first_what_failed() -> None:
    results = [
        *(replace(result(passing()), scenario=f"fine-{place}") for place in range(50)),
        replace(result(failing()), scenario="broken"),
    ]
    room = 2000

    text = summary(results, room)

    assert len(text.encode()) <= room
    assert text.startswith("## ✘ broken")
    there = text.count("\n## ") + 1
    assert f"{51 - there} scenarios left out" in text
    assert text.endswith("**51 scenarios, 51 checks: 50 passed, 1 failed**\n")


def test_a_summary_without_any_room_is_empty() -> None:
    assert summary([result(failing())], 10) == ""
