"""How far a data plane conforms, from flow tables to each format of the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from labkit.probe.conformance import Conformance, ScenarioConformance, conformance
from labkit.probe.expected import judged
from labkit.probe.table import FlowTable, Kernel
from labkit.probe.verdict import CheckResult, Context, ScenarioResult
from labkit.report import render_conformance
from labkit.semantics.traits import Trait, traits_of
from tests.recorded import SCENARIOS
from tests.recorded_tables import recorded, recorded_cluster

HOST = Kernel(kind="host", release="6.18.0")


def recorded_scenario(dataplane: str, path: Path) -> ScenarioConformance:
    """A recording of the real kube-proxy, judged as if labkit had just made it."""
    cluster = replace(recorded_cluster(path), dataplane=dataplane)
    table = judged(cluster, recorded(dataplane, path, cluster))
    return conformance(cluster, result(path.stem, table=table))


def result(
    name: str, *, table: FlowTable | None = None, error: str | None = None, status: int = 0
) -> ScenarioResult:
    return ScenarioResult(
        scenario=name,
        path=f"{name}.yaml",
        dataplane="iptables",
        kernel=HOST,
        table=table,
        error=error,
        error_status=status,
    )


def whole(*scenarios: ScenarioConformance, dataplane: str = "iptables") -> Conformance:
    return Conformance(
        dataplane=dataplane,
        real=None,
        kernel=HOST,
        scenarios=scenarios,
        traits=traits_of(dataplane),
    )


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_iptables_mode_conforms_to_itself(path: Path) -> None:
    found = recorded_scenario("iptables", path)

    assert found.conforming
    assert (found.deviating, found.unexplained) == ((), ())


@pytest.mark.parametrize("dataplane", ["ipvs", "nftables"])
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_other_modes_deviate_by_name_alone(dataplane: str, path: Path) -> None:
    found = recorded_scenario(dataplane, path)

    assert found.flows
    assert found.unexplained == ()


def test_nftables_mode_is_told_from_iptables_mode_by_the_name_of_what_it_lacks() -> None:
    found = whole(
        *(recorded_scenario("nftables", path) for path in SCENARIOS), dataplane="nftables"
    )

    assert {each.trait for each in found.deviations} <= traits_of("iptables") ^ traits_of(
        "nftables"
    )
    assert Trait.LOCALHOST_NODE_PORTS in {each.trait for each in found.deviations}
    text = render_conformance(found, "table")
    assert (
        "iptables mode serves NodePorts on 127.0.0.1 of every node, nftables does not"
        in " ".join(text.split())
    )


def wrong_row() -> ScenarioConformance:
    """The recording of one mode under the name of the other: nothing explains that."""
    path = next(each for each in SCENARIOS if each.stem == "nodeport-local-one")
    cluster = replace(recorded_cluster(path), dataplane="iptables")
    table = recorded("ipvs", path, cluster)
    return conformance(cluster, result(path.stem, table=judged(cluster, table)))


def test_what_has_no_name_fails_and_is_told_with_what_was_expected() -> None:
    found = whole(wrong_row())

    assert not found.passed
    text = render_conformance(found, "table")
    assert "; expected " in text
    assert "unexplained" in text.splitlines()[-1]


@pytest.mark.parametrize(
    ("status", "passed", "word"), [(1, False, "failed"), (2, True, "not run"), (3, True, "not run")]
)
def test_a_scenario_that_cannot_be_run_is_said_so(status: int, passed: bool, word: str) -> None:  # noqa: FBT001
    error = result("broken", error="kube-proxy: no such flag", status=status)

    found = whole(ScenarioConformance(result=error), recorded_scenario("iptables", SCENARIOS[0]))

    assert found.passed is passed
    assert f"broken: {word}: kube-proxy: no such flag" in render_conformance(found, "table")


def test_a_failed_check_fails_and_is_named() -> None:
    check = CheckResult(
        name="the pod sees the client",
        location=None,
        sources=("client",),
        to="node1:30080",
        expected="",
        observations=(),
        differences=("it does not",),
    )
    table = recorded_scenario("iptables", SCENARIOS[0])
    failing = replace(table, result=replace(table.result, checks=(check,)))

    found = whole(failing)

    assert not found.passed
    assert "Check the pod sees the client failed" in render_conformance(found, "table")
    assert json.loads(render_conformance(found, "json"))["scenarios"][0]["failed_checks"] == [
        "the pod sees the client"
    ]


def test_json_holds_every_flow() -> None:
    found = whole(*(recorded_scenario("iptables", path) for path in SCENARIOS))

    report = json.loads(render_conformance(found, "json"))

    assert report["schema"] == "labkit.dev/conformance/v1"
    assert report["passed"] is True
    assert sum(len(each["flows"]) for each in report["scenarios"]) == sum(
        each.flows for each in found.scenarios
    )


def test_html_has_a_row_for_each_scenario_and_a_heading_for_each_deviation() -> None:
    found = whole(*(recorded_scenario("iptables", path) for path in SCENARIOS))

    page = render_conformance(found, "html")

    assert page.count('<tr class="good">') == len(SCENARIOS)
    for deviation in found.deviations:
        assert f"<h3>{deviation.name} (" in page


def test_markdown_has_a_row_for_each_scenario() -> None:
    found = whole(*(recorded_scenario("iptables", path) for path in SCENARIOS))

    rows = [line for line in render_conformance(found, "markdown").splitlines() if "|" in line]

    assert len(rows) == len(SCENARIOS) + 2


def test_nothing_passes_where_nothing_was_run() -> None:
    error = result("broken", error="sctp: the kernel has none", status=3)

    assert not whole(ScenarioConformance(result=error)).passed


def test_random_clusters_that_could_not_be_tried_are_told_and_fail() -> None:
    found = replace(
        whole(recorded_scenario("iptables", SCENARIOS[0])), error="kube-proxy ended at once"
    )

    assert not found.passed
    assert "random clusters: kube-proxy ended at once" in render_conformance(found, "table")
    assert json.loads(render_conformance(found, "json"))["error"] == "kube-proxy ended at once"


def test_a_check_that_asks_for_what_nobody_does_is_no_deviation() -> None:
    table = recorded_scenario("nftables", SCENARIOS[0])
    (row, *_) = table.result.table.flows if table.result.table else ()
    wrong = CheckResult(
        name="wrong on purpose",
        location=None,
        sources=(row.source,),
        to="",
        expected="",
        observations=(),
        contexts=(Context(row=row),),
        differences=("it is not",),
    )

    found = whole(replace(table, result=replace(table.result, checks=(wrong,))))

    assert row.agrees is True
    assert not found.passed
    assert "Check wrong on purpose failed: it is not" in render_conformance(found, "table")
