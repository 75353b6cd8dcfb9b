"""The report of random clusters, in each format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labkit.errors import UsageError
from labkit.probe.findings import Failure, Findings
from labkit.probe.table import Kernel
from labkit.report import render_findings

FINE = Findings(
    seed=7,
    dataplane="iptables",
    kernel=Kernel(kind="host", release="6.18.0"),
    clusters=20,
    asked={("ClusterIP", "connected"): 30, ("NodePort", "timeout"): 2},
    unjudged=0,
    elapsed_s=2.0,
)
FAILURE = Failure(
    seed=700,
    dataplane="iptables",
    flows=("client to 192.168.0.1:30080 TCP: refused; expected connected",),
    scenario="# 1 flow\nkind: Lab\n",
    alone=True,
)
FAILED = replace(FINE, failures=(FAILURE,))


def test_a_run_without_failures_is_a_table_of_flows_and_one_sentence() -> None:
    text = render_findings([FINE], "table")

    assert "iptables on Linux 6.18.0" in text
    assert "seed 7, 2.0 s, 10.0 clusters a second" in text
    assert [line.split() for line in text.splitlines() if line.startswith("ClusterIP")] == [
        ["ClusterIP", "30"]
    ]
    assert "✔ 20 clusters, 32 flows: all as specified" in text


def test_a_failure_names_the_flow_and_the_file() -> None:
    text = render_findings([FAILED], "table", again="written to found.yaml")

    assert "✘ client to 192.168.0.1:30080 TCP: refused; expected connected" in text
    assert "1 cluster not as specified" in text
    assert text.endswith("written to found.yaml\n")


def test_more_flows_than_are_told_are_counted() -> None:
    text = render_findings([replace(FINE, failures=(replace(FAILURE, more=3),))], "table")

    assert "✘ and 3 more" in text


@pytest.mark.parametrize(
    ("before", "said"),
    [("kind: Lab", "only in a lab that was another cluster before"), ("", "does not show it")],
)
def test_what_does_not_show_alone_is_said_to(before: str, said: str) -> None:
    shy = replace(FAILURE, alone=False, before=before)

    assert said in render_findings([replace(FINE, failures=(shy,))], "table")


def test_flows_of_which_nothing_is_said_are_counted() -> None:
    text = render_findings([replace(FINE, unjudged=3)], "table")

    assert "and 3 of which the specification says nothing" in text


def test_json_is_an_object_of_one_data_plane_and_a_list_of_several() -> None:
    one = json.loads(render_findings([FAILED], "json"))
    two = json.loads(render_findings([FINE, FAILED], "json"))

    assert one["schema"] == "labkit.dev/fuzz/v1"
    assert one["asked"] == {"ClusterIP": {"connected": 30}, "NodePort": {"timeout": 2}}
    assert one["failures"][0]["scenario"] == FAILURE.scenario
    assert [each["passed"] for each in two] == [True, False]


def test_markdown_holds_the_scenario() -> None:
    text = render_findings([FAILED], "markdown")

    assert "```yaml\n# 1 flow\nkind: Lab\n```" in text
    assert "| iptables" in text


def test_a_terminal_is_not_steered_by_what_a_flow_says() -> None:
    evil = replace(FAILURE, flows=("client\x1b[2J",))

    assert "\x1b" not in render_findings([replace(FINE, failures=(evil,))], "table")


def test_html_holds_what_failed_its_scenario_and_what_was_asked() -> None:
    page = render_findings([FAILED], "html", again="written to found.yaml")

    assert "1 of 20 random clusters not as specified" in page
    assert "client to 192.168.0.1:30080 TCP: refused; expected connected" in page
    assert "# 1 flow\nkind: Lab" in page
    assert "written to found.yaml" in page
    assert "<tr><td>ClusterIP</td><td>30</td><td></td></tr>" in page


def test_html_says_that_all_is_as_specified() -> None:
    page = render_findings([FINE, FINE], "html")

    assert "40 random clusters, all as specified" in page
    assert "<article" not in page


def test_there_is_no_junit_of_it() -> None:
    with pytest.raises(UsageError, match="there are: table, markdown, json"):
        render_findings([FINE], "junit")
