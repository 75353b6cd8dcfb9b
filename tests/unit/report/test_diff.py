from __future__ import annotations

import json
import re

import msgspec
import pytest

from labkit.errors import UsageError
from labkit.probe.compare import Comparison, compare
from labkit.probe.flow import Outcome
from labkit.report import DIFF_FORMATS, render_comparisons
from labkit.report.diff_json import DiffReport, schema
from tests.recorded import TRUTH
from tests.recorded_tables import recorded, recorded_cluster

SCENARIOS = TRUTH / "scenarios"


def comparison(name: str, before: str = "ipvs", after: str = "nftables") -> Comparison:
    path = SCENARIOS / f"{name}.yaml"
    cluster = recorded_cluster(path)
    return compare(cluster, recorded(before, path, cluster), recorded(after, path, cluster))


def with_a_fault(name: str = "clusterip") -> Comparison:
    """One pod of the Service never answers its clients under the second data plane."""
    path = SCENARIOS / f"{name}.yaml"
    cluster = recorded_cluster(path)
    before = recorded("iptables", path, cluster)
    after = recorded("nftables", path, cluster)
    rows = tuple(
        msgspec.structs.replace(
            row, outcome=Outcome.TIMED_OUT, outcomes={Outcome.TIMED_OUT: 9}, backends={}
        )
        if row.source == "client" and row.via == "ClusterIP"
        else row
        for row in after.flows
    )
    broken = msgspec.structs.replace(after, flows=rows)
    return compare(cluster, before, broken)


ITP_LOCAL = """\
itp-local: ipvs → nftables: 1 Service, 32 flows, 2 differ in 1 way
ipvs on Linux 6.1.0 (uml), rules: kube-proxy v1.36.2
nftables on Linux 6.1.0, rules: kube-proxy v1.36.2

default/itp-local
  local-falls-back (2 flows)
    Under a Local policy, ipvs uses the endpoints of other nodes where a node has none of its
    own; nftables drops the call, as the API says.
    What to do: Run an endpoint on every node that calls (a DaemonSet), or set
    internalTrafficPolicy: Cluster, with trafficDistribution: PreferSameNode to stay on the node
    where that is possible.
    Source: https://github.com/kubernetes/kubernetes/pull/97081;
    https://github.com/kubernetes/kubernetes/issues/121371; pkg/proxy/ipvs/proxier.go,
    syncEndpoint
      node3 → ClusterIP 10.96.0.30:80                      web-1; source preserved  →  timeout
      pod on node3 (cli-node3) → ClusterIP 10.96.0.30:80   web-1; source preserved  →  timeout

30 flows do not differ.
"""


def test_a_service_and_a_cause_with_what_to_do_and_the_flows() -> None:
    assert render_comparisons([comparison("itp-local")], "table").startswith(ITP_LOCAL)


@pytest.mark.parametrize("fmt", DIFF_FORMATS)
def test_every_format_says_what_differs_why_and_where_the_rules_came_from(fmt: str) -> None:
    text = render_comparisons([comparison("itp-local")], fmt)

    for said in ("itp-local", "local-falls-back", "pull/97081", "6.1.0", "kube-proxy v1.36.2"):
        assert said in text
    assert "Run an endpoint on every node that calls" in re.sub(r"\s+", " ", text)
    assert text.endswith("\n")


@pytest.mark.parametrize("fmt", ["table", "markdown", "html"])
def test_nothing_differs_is_said(fmt: str) -> None:
    text = render_comparisons([comparison("clusterip", "iptables", "nftables")], fmt)

    assert "12 flows, nothing differs" in text
    assert "1 comparison, 12 flows: nothing differs" in text


@pytest.mark.parametrize("fmt", ["table", "markdown", "html"])
def test_a_flow_that_only_one_side_has_is_said(fmt: str) -> None:
    text = re.sub(r"\s+", " ", render_comparisons([comparison("externalip")], fmt))

    assert "1 flow was probed under nftables alone and could not be compared" in text
    assert "cli-node3 → ExternalIP 203.0.113.7:80" in text


@pytest.mark.parametrize("fmt", ["table", "markdown", "html"])
def test_a_difference_without_a_name_stands_out_with_what_was_expected(fmt: str) -> None:
    text = re.sub(r"\s+", " ", render_comparisons([with_a_fault()], fmt))

    assert "1 differs in 1 way, 1 without a name" in text
    assert "No known deviation explains this" in text
    assert "nftables: web-1 (source 10.244.1.1) and web-2 (source 192.168.100.11)" in text
    assert "1 differs, 1 without a name" in text


def test_flows_that_change_alike_are_one_line() -> None:
    text = render_comparisons([comparison("nodeport-cluster", "iptables", "nftables")], "table")

    assert "node1, node3 → NodePort 127.0.0.1:30080   web-1, web-2; source preserved" in text
    assert text.count("serves NodePorts on 127.0.0.1") == 1


def test_many_sources_are_counted() -> None:
    found = comparison("itp-local")
    (one, *_rest) = found.differences
    many = tuple(
        msgspec.structs.replace(one.before, source=f"node{number}") for number in range(50)
    )
    differences = tuple(
        type(one)(
            before=row,
            after=msgspec.structs.replace(one.after, source=row.source),
            reason=one.reason,
        )
        for row in many
    )
    crowd = Comparison(
        scenario="crowd",
        before=found.before,
        after=found.after,
        services=1,
        compared=50,
        differences=differences,
        traits=found.traits,
    )

    assert "node0, node1, node2, … 50 in all → ClusterIP" in render_comparisons([crowd], "table")


def test_sentences_are_not_repeated_for_every_service() -> None:
    found = comparison("itp-local")
    (one, other) = found.differences
    elsewhere = type(other)(
        before=msgspec.structs.replace(other.before, service="default/other"),
        after=msgspec.structs.replace(other.after, service="default/other"),
        reason=other.reason,
    )
    two = Comparison(
        scenario="two",
        before=found.before,
        after=found.after,
        services=2,
        compared=2,
        differences=(one, elsewhere),
        traits=found.traits,
    )

    for fmt in ("table", "markdown", "html"):
        text = render_comparisons([two], fmt)
        assert text.count("Under a Local policy") == 1
        assert text.count("As above.") == 1


def test_what_no_flow_shows_is_said_once_for_all_scenarios() -> None:
    text = render_comparisons([comparison("clusterip"), comparison("udp")], "table")

    assert text.count("answer ping to the addresses of Services") == 1


def test_json_is_what_its_schema_says() -> None:
    text = render_comparisons([comparison("nodeport-local"), with_a_fault()], "json")

    report = msgspec.json.decode(text, type=DiffReport)
    named, broken = report.comparisons
    assert not report.passed
    assert (named.passed, broken.passed) == (True, False)
    assert (named.differ, named.unnamed, broken.unnamed) == (3, 0, 1)
    assert [cause.name for cause in named.causes] == [
        "own-endpoints-first",
        "own-node-port-without-masquerade",
    ]
    assert broken.differences[0].causes == ()
    assert broken.differences[0].expected_after
    assert schema()["title"] == json.loads(text)["schema"] == "labkit.dev/diff/v1"


def test_names_cannot_steer_a_terminal_or_break_a_page() -> None:
    found = comparison("itp-local")
    hostile = Comparison(
        scenario="<script>\x1b[2J",
        before=found.before,
        after=found.after,
        services=1,
        compared=0,
    )

    for fmt in ("table", "markdown", "html"):
        assert "\x1b" not in render_comparisons([hostile], fmt)
    assert render_comparisons([hostile], "html").count("<script>") == 1, "its own"
    assert "<script>" not in render_comparisons([hostile], "markdown")


def test_a_terminal_that_knows_ascii_alone_gets_that() -> None:
    assert render_comparisons([comparison("itp-local")], "table", unicode=False).isascii()


def test_colours_only_where_asked_for() -> None:
    plain = render_comparisons([comparison("itp-local")], "table")
    painted = render_comparisons([comparison("itp-local")], "table", color=True)

    assert "\x1b[" not in plain
    assert re.sub(r"\x1b\[[0-9]+m", "", painted) == plain


def test_there_is_no_junit_of_it() -> None:
    with pytest.raises(UsageError, match="there are: table, markdown, json, html"):
        render_comparisons([], "junit")
