"""A failed Check says what the specification says, and what to run next."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from labkit.cluster.model import Protocol
from labkit.manifest.kinds import Expect, LocatedCheck, Target
from labkit.probe.flow import Flow, Outcome
from labkit.probe.table import Expected, flow_row
from labkit.probe.verdict import CheckResult, Context, judge
from labkit.report import render_check, render_results
from tests.unit.report.examples import CLUSTER_IP, DNS, NODE_PORT, located, masqueraded, result

WHY = Expected(
    outcome=Outcome.CONNECTED, backends=("web-1",), client_sources=("node2",), why="so it is"
)
FILE = "labs/my lab.yaml"


def judged(expect: Expect, *, agrees: bool | None = True, file: str = FILE) -> CheckResult:
    observation = masqueraded()
    row = structs.replace(
        flow_row(observation), expected=None if agrees is None else WHY, agrees=agrees
    )
    return judge(
        written(expect, file=file), [observation], [Context(row=row)], dataplane="nftables"
    )


def written(expect: Expect, to: Target | None = None, *, file: str = FILE) -> LocatedCheck:
    return located("a check", expect, to=to, file=file)


def test_the_specification_is_told_that_what_was_seen_is_right() -> None:
    assert judged(Expect(client_source="preserved")).specified == (
        "the specification says what was seen, connected by web-1, source node2: so it is",
    )


def test_the_specification_is_told_where_what_was_seen_is_wrong() -> None:
    assert judged(Expect(outcome="refused"), agrees=False).specified == (
        "the specification says connected by web-1, source node2: so it is",
    )


def test_nothing_is_told_of_what_passes_or_is_told_already() -> None:
    passed = judged(Expect(client_source="node2"))
    assert (passed.specified, passed.command) == ((), "")
    assert judged(Expect(conformant=True), agrees=False).specified == ()


def test_the_next_command_explains_and_where_nothing_is_specified_it_traces() -> None:
    told = judged(Expect(outcome="refused"))
    untold = judged(Expect(outcome="refused"), agrees=None)
    rest = "'labs/my lab.yaml' client node2:30080 --dataplane nftables"
    assert told.command == f"labkit explain {rest}"
    assert untold.specified == ()
    assert untold.command == f"labkit trace {rest}"


def test_there_is_no_command_for_a_scenario_that_is_no_file() -> None:
    assert judged(Expect(outcome="refused"), file="<objects>[3]").command == ""


@pytest.mark.parametrize(
    ("to", "flow", "words"),
    [
        (Target(service="my-nginx"), CLUSTER_IP, "client my-nginx"),
        (Target(service="my-nginx", port="http"), CLUSTER_IP, "client my-nginx:http"),
        (
            Target(service="my-nginx", port=80, via="ExternalIP"),
            CLUSTER_IP,
            "client 10.96.0.1:80",
        ),
        (Target(address="10.244.1.2", port=53), DNS, "node1 10.244.1.2:53 --protocol UDP"),
        (
            Target(pod="web-1", port=53),
            replace(DNS, source="web-2", protocol=Protocol.SCTP),
            "web-2 web-1:53 --protocol SCTP",
        ),
        (Target(node="node2", port=30080), NODE_PORT, "client node2:30080"),
    ],
)
def test_the_command_names_the_flow(to: Target, flow: Flow, words: str) -> None:
    observation = replace(masqueraded(), flow=flow)
    check = written(Expect(outcome="refused"), to, file="f.yaml")
    found = judge(check, [observation], dataplane="iptables").command
    assert found == f"labkit trace f.yaml {words} --dataplane iptables"


def test_the_reports_tell_both() -> None:
    failed = judged(Expect(outcome="refused"))
    shown = render_check(failed)
    assert (
        "     the specification says what was seen, connected by web-1, source node2: so" in shown
    )
    assert shown.rstrip().endswith(f"next: {failed.command}")
    for fmt in ("json", "junit"):
        text = render_results([result(failed)], fmt)
        assert "the specification says what was seen, connected by web-1" in text
        assert "labkit explain &#39;labs" in text or "labkit explain 'labs/my lab.yaml'" in text
    assert "the specification says what was seen" in render_results([result(failed)], "markdown")
