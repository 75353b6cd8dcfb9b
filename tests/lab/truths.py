"""What was recorded of the real kube-proxy, flow by flow, beside what a lab shows."""

from __future__ import annotations

import msgspec

from labkit.lab.lab import Lab
from labkit.probe.table import FlowRow
from tests.recorded import TRUTH


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


def differences(lab: Lab, dataplane: str, scenario: str) -> list[str]:
    """Flows that a running lab shows otherwise than they were recorded, one line each."""
    truth = truth_of(dataplane, scenario)
    seen: dict[tuple[str, str | None, str | None, str, int, str], FlowRow] = {
        (f.source, f.via, f.node, f.address, f.dport, f.protocol): f
        for f in lab.matrix(["all"]).flows
    }
    affinity = any(s.affinity_timeout_s is not None for s in lab.cluster.services)
    assert truth.flows
    assert [flow for flow in truth.flows if flow.key not in seen] == []
    found_otherwise = []
    for flow in truth.flows:
        row = seen[flow.key]
        found = (row.outcome, sorted(row.backends), sorted(row.sources_seen))
        wanted = (flow.outcome, sorted(flow.backends), sorted(flow.sources_seen))
        if affinity and flow.outcome == "connected" and flow.via != "PodIP":
            # Which pod a source is held to is arbitrary; that it is held to one is not.
            found, wanted = (row.outcome, [], []), (flow.outcome, [], [])
            assert len(row.backends) == len(flow.backends) == 1
        if found != wanted:
            found_otherwise.append(f"{flow.key}: kube-proxy {wanted}, labkit {found}")
    return found_otherwise
