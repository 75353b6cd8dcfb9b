"""A session as a file: what its Checks ask for."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from labkit.cli.prompt.save import Lab, Seen, expected_of, pytest_text, scenario_text
from labkit.cluster.model import Protocol
from labkit.manifest.kinds import Target
from labkit.manifest.load import load_text
from labkit.probe.flow import Outcome, Via
from labkit.probe.table import Expected, FlowRow

LAB = {"apiVersion": "labkit.dev/v1", "kind": "Lab", "metadata": {"name": "demo"}}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "node1"},
    "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
}
OLD_CHECK = {
    "apiVersion": "labkit.dev/v1",
    "kind": "Check",
    "metadata": {"name": "of the file that the lab was built from"},
    "spec": {"from": "client", "to": {"node": "node1", "port": 1}, "expect": {}},
}


def lab(*objects: dict[str, Any]) -> Lab:
    return Lab(name="demo", dataplane="nftables", rules="labkit's", objects=objects)


def row(
    outcome: Outcome = Outcome.CONNECTED,
    *,
    backends: Sequence[str] = ("web-1",),
    sources: Sequence[str] = ("node1",),
    expected: Expected | None = None,
    agrees: bool | None = None,
    protocol: Protocol = Protocol.TCP,
) -> FlowRow:
    answered = outcome is Outcome.CONNECTED
    return FlowRow(
        source="client",
        service="default/web",
        port="http",
        protocol=protocol,
        via=Via.NODE_PORT,
        node="node1",
        address="192.168.0.1",
        dport=30080,
        attempts=20,
        outcome=outcome,
        outcomes={outcome: 20},
        backends=dict.fromkeys(backends, 10) if answered else {},
        sources_seen={},
        client_sources=tuple(sources) if answered else (),
        expected=expected,
        agrees=agrees,
    )


def specified(backends: Sequence[str], sources: Sequence[str]) -> Expected:
    return Expected(
        outcome=Outcome.CONNECTED,
        backends=tuple(backends),
        client_sources=tuple(sources),
        why="because",
    )


TO = Target(node="node1", port=30080)


def test_a_flow_that_does_not_connect_is_expected_to_do_so_again() -> None:
    assert expected_of(row(Outcome.TIMED_OUT)) == {"outcome": "timeout"}


def test_who_answered_and_whom_it_saw_is_expected() -> None:
    seen = row(backends=["web-1", "web-2"], sources=["node1", "node2"])
    assert expected_of(seen) == {
        "outcome": "connected",
        "backends": ["web-1", "web-2"],
        "clientSource": ["node1", "node2"],
    }


def test_of_a_source_that_affinity_holds_only_the_outcome_is_expected() -> None:
    model = specified(["web-1", "web-2"], ["node1", "node2"])
    assert expected_of(row(expected=model, agrees=True)) == {"outcome": "connected"}


def test_a_source_that_few_attempts_have_not_shown_is_allowed() -> None:
    model = specified(["web-1"], ["node1", "preserved"])
    assert expected_of(row(expected=model, agrees=True))["clientSource"] == ["node1", "preserved"]


def test_what_differs_from_the_specification_is_saved_as_it_was_seen() -> None:
    model = specified(["web-1", "web-2"], ["node2"])
    assert expected_of(row(expected=model, agrees=False)) == {
        "outcome": "connected",
        "backends": ["web-1"],
        "clientSource": "node1",
    }


def test_a_scenario_has_the_lab_as_it_is_under_its_data_plane_and_the_sessions_checks() -> None:
    text = scenario_text(lab(LAB, OLD_CHECK), [Seen(row=row(), to=TO)])
    first, check = yaml.safe_load_all(text)

    assert first["spec"] == {"dataplane": "nftables"}
    assert check["metadata"]["name"] == "client to node1:30080"
    assert check["spec"] == {
        "from": "client",
        "to": {"node": "node1", "port": 30080},
        "expect": {"outcome": "connected", "backends": ["web-1"], "clientSource": "node1"},
    }
    assert text.startswith("# Saved from the lab demo: nftables, rules: labkit's\n")


def test_a_lab_that_was_made_of_a_clusters_nodes_keeps_them_and_its_data_plane() -> None:
    scenario = load_text(scenario_text(lab(NODE), []))

    assert scenario.lab.metadata.name == "demo"
    assert scenario.lab.spec.dataplane == "nftables"
    assert [node.name for node in scenario.lab.spec.nodes] == ["node1"]


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (
            row(backends=["web-1", "web-2"]),
            [
                "seen = cluster.probe('client', to={'node': 'node1', 'port': 30080})",
                "assert seen.outcome == 'connected'",
                "assert set(seen.backends) == {'web-1', 'web-2'}",
                "assert seen.client_sources <= {'node1'}",
            ],
        ),
        (
            row(Outcome.REFUSED, protocol=Protocol.UDP),
            [
                "seen = cluster.probe('client', to={'node': 'node1', 'port': 30080}, protocol='UDP')",  # noqa: E501 - as it is written
                "assert seen.outcome == 'refused'",
            ],
        ),
    ],
    ids=["connected", "refused"],
)
def test_a_module_for_pytest_has_a_test_for_each_flow(seen: FlowRow, lines: list[str]) -> None:
    module = ast.parse(pytest_text(lab(LAB), [Seen(row=seen, to=TO)]))
    (test,) = [
        each
        for each in module.body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    ]

    udp = "_udp" if seen.protocol == "UDP" else ""
    assert test.name == f"test_client_to_node1_30080{udp}"
    assert [ast.unparse(each) for each in test.body] == lines
