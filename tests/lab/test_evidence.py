"""What a page shows of a lab is gathered while the lab is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.lab.evidence import MOST_TRACED
from labkit.lab.runs import Request, run_one
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load, load_text

ROOT = Path(__file__).parents[2]
LAB = """\
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: closed}
spec: {nodes: [{name: node1}], clients: [{name: client}]}
"""


def checks_of_closed_ports(count: int) -> Scenario:
    """Checks that fail at once: nobody listens, so the node refuses."""
    checks = (
        f"""---
apiVersion: labkit.dev/v1
kind: Check
metadata: {{name: port {port}}}
spec:
  from: client
  to: {{node: node1, port: {port}}}
  attempts: 1
  expect: {{outcome: connected}}
"""
        for port in range(4000, 4000 + count)
    )
    return load_text(LAB + "".join(checks))


@pytest.mark.timeout(60)
def test_flows_that_failed_are_followed_up_to_a_limit_that_is_told() -> None:
    ran = run_one(Request(scenario=checks_of_closed_ports(MOST_TRACED + 3), evidence=True))

    assert ran.evidence is not None
    assert [path.flow.dport for path in ran.evidence.paths] == list(range(4000, 4000 + MOST_TRACED))
    assert {path.outcome for path in ran.evidence.paths} == {"refused"}
    assert ran.evidence.notes == ("The packets of 3 flows more that failed were not followed.",)


def test_what_passed_is_not_asked_again() -> None:
    ran = run_one(Request(scenario=load(ROOT / "scenarios/nodeport-cluster.yaml"), evidence=True))

    assert ran.result.passed
    assert ran.evidence is not None
    assert ran.evidence.paths == ()
    assert list(ran.evidence.rules) == ["node1", "node2"]
    assert "KUBE-SERVICES" in ran.evidence.rules["node2"]
    versions = dict(ran.evidence.versions)
    assert {"labkit", "Python", "iptables-restore"} <= versions.keys()
    assert versions["iptables-restore"].startswith("v1.")


def test_nothing_is_gathered_for_who_does_not_look() -> None:
    ran = run_one(Request(scenario=load(ROOT / "scenarios/nodeport-cluster.yaml")))

    assert ran.evidence is None
