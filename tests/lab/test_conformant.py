"""Checks that ask for what the specification says, and flow tables beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.pytest_plugin import LabFactory

SCENARIOS = Path(__file__).parents[2] / "scenarios"
CHECK = """
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: as Kubernetes says}
spec: {from: [client, node1, web-1], to: {node: node2, port: 30080}, expect: conformant}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario whose last Check names no expectation of its own."""
    file = tmp_path / "conformant.yaml"
    file.write_text((SCENARIOS / "nodeport-cluster.yaml").read_text() + CHECK)
    return file


@pytest.mark.parametrize("dataplane", ["iptables", "nftables"])
def test_a_conformant_check_passes(lab: LabFactory, scenario: Path, dataplane: str) -> None:
    *_, result = lab(scenario, dataplane=dataplane).check()

    assert result.differences == ()
    assert result.expected == "as specified"


def test_a_conformant_check_fails_where_a_rule_is_lost(lab: LabFactory, scenario: Path) -> None:
    running = lab(scenario, dataplane="iptables")
    running.exec("node2", ["iptables", "-t", "nat", "-F", "KUBE-POSTROUTING"], check=True)

    *_, result = running.check()

    assert any(
        difference.startswith("from client: expected connected by web-1, source node2: external")
        for difference in result.differences
    )


def test_a_flow_table_says_which_rows_are_not_as_specified(lab: LabFactory, scenario: Path) -> None:
    running = lab(scenario, dataplane="iptables")
    before = running.matrix(["client"])
    running.exec("node2", ["iptables", "-t", "nat", "-F", "KUBE-POSTROUTING"], check=True)

    after = running.matrix(["client"])

    assert {row.agrees for row in before.flows if row.expected} == {True}
    assert [row.node for row in after.flows if row.agrees is False] == ["node2"]
