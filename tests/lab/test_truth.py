"""Every flow agrees with what the real kube-proxy did (tests/truth/README.md)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from labkit.probe.table import FlowRow
from labkit.pytest_plugin import LabFactory
from tests.recorded import SCENARIOS, TRUTH


class TruthFlow(msgspec.Struct, frozen=True):
    """One flow as it was recorded."""

    source: str
    via: str
    node: str | None
    address: str
    dport: int
    protocol: str
    outcome: str
    backends: list[str]
    sources_seen: list[str]

    @property
    def key(self) -> tuple[str, str, str | None, str, int, str]:
        return (self.source, self.via, self.node, self.address, self.dport, self.protocol)


class Truth(msgspec.Struct, frozen=True):
    """One recorded scenario."""

    scenario: str
    flows: list[TruthFlow]
    health_check_node_port: dict[str, int] = {}


def truth_of(dataplane: str, scenario: str) -> Truth:
    path = TRUTH / "kube-proxy" / dataplane / f"{scenario}.json"
    return msgspec.json.decode(path.read_bytes(), type=Truth)


DATAPLANES = ("iptables", "nftables")
"""Those that this kernel can be expected to run; the fixture skips what it lacks."""

for_every_recording = pytest.mark.parametrize(
    ("dataplane", "path"),
    [(dataplane, path) for dataplane in DATAPLANES for path in SCENARIOS],
    ids=lambda value: value.stem if isinstance(value, Path) else value,
)


def test_there_are_recorded_scenarios() -> None:
    assert SCENARIOS


@for_every_recording
def test_every_flow_agrees_with_the_real_kube_proxy(
    dataplane: str, path: Path, lab: LabFactory
) -> None:
    truth = truth_of(dataplane, path.stem)
    cluster = lab(path, dataplane=dataplane)

    table = cluster.matrix(["all"])

    seen: dict[tuple[str, str | None, str | None, str, int, str], FlowRow] = {
        (f.source, f.via, f.node, f.address, f.dport, f.protocol): f for f in table.flows
    }
    affinity = any(s.affinity_timeout_s is not None for s in cluster.cluster.services)
    assert [flow for flow in truth.flows if flow.key not in seen] == []
    differences = []
    for flow in truth.flows:
        row = seen[flow.key]
        found = (row.outcome, sorted(row.backends), sorted(row.sources_seen))
        wanted = (flow.outcome, sorted(flow.backends), sorted(flow.sources_seen))
        if affinity and flow.outcome == "connected" and flow.via != "PodIP":
            # Which pod a source is held to is arbitrary; that it is held to one is not.
            found, wanted = (row.outcome, [], []), (flow.outcome, [], [])
            assert len(row.backends) == len(flow.backends) == 1
        if found != wanted:
            differences.append(f"{flow.key}: kube-proxy {wanted}, labkit {found}")
    assert differences == []


@for_every_recording
def test_health_check_ports_agree_with_the_real_kube_proxy(
    dataplane: str, path: Path, lab: LabFactory
) -> None:
    truth = truth_of(dataplane, path.stem)

    table = lab(path, dataplane=dataplane).matrix(["node1"], attempts=1)

    assert (table.health_check_node_port or {}) == truth.health_check_node_port
