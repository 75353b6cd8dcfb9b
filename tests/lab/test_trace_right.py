"""Paths tell the truth: on all scenarios and on random flows they agree with both ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster
from labkit.dataplane.iptables.apply import Backend
from labkit.errors import MissingFeature, UsageError
from labkit.fuzz.clusters import RandomCluster, clusters
from labkit.kernel.features import require
from labkit.kernel.guest.exchange import kernel_kind
from labkit.kernel.netns import Edge
from labkit.lab.lab import Lab
from labkit.lab.runs import Request
from labkit.lab.tracing import trace
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load_each, load_objects
from labkit.probe.expected import explain
from labkit.probe.flow import Flow, Outcome, Via
from labkit.probe.plan import flows
from tests.lab.traced import fault

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
LABS_AT_A_TIME = 6
OF_A_KIND = 1
"""Flows of one kind that are traced in one lab."""
ALL = kernel_kind() == "host"
"""In a guest all of it would take some ten times as long: one of five is traced there."""
SILENT_ONES = 1
"""They cost seconds."""
INSIDE = {Via.CLUSTER_IP, Via.POD_IP}
RANDOM_CLUSTERS = 20 if ALL else 4
FLOWS_OF_EACH = 6
PLANES = [
    pytest.param("iptables", "nft", id="iptables-nft"),
    pytest.param("iptables", "legacy", id="iptables-legacy"),
    pytest.param("nftables", None, id="nftables"),
    pytest.param("ipvs", None, id="ipvs", marks=pytest.mark.labkit_needs("ip_vs")),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("dataplane", "backend"), PLANES)
def test_every_scenarios_paths_agree_with_both_ends(
    dataplane: str, backend: Backend | None
) -> None:
    scenarios = [each for each in load_each(SCENARIOS) if _runnable(each, dataplane)]
    scenarios = scenarios if ALL else scenarios[::5]

    with ThreadPoolExecutor(LABS_AT_A_TIME) as pool:
        seen = list(pool.map(lambda each: _faults(each, dataplane, backend), scenarios))

    ends: Counter[str] = sum((counted for counted, _ in seen), Counter())
    assert [fault for _, faults in seen for fault in faults] == []
    # Every kind of end was there to be judged; IPVS refuses without a rule.
    kinds = {"connected", "dropped", "rejected", "refused"}
    assert (kinds if dataplane != "ipvs" else {"connected", "lost"}) <= ends.keys()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("dataplane", "backend"), PLANES)
def test_random_flows_paths_agree_with_both_ends(dataplane: str, backend: Backend | None) -> None:
    traced: Counter[str] = Counter()
    faults: list[str] = []

    @settings(
        max_examples=RANDOM_CLUSTERS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(clusters(nodes=3, services=2, spec={}), st.integers(min_value=0))
    def one(cluster: RandomCluster, start: int) -> None:
        scenario = load_objects(cluster.manifests)
        with Lab(scenario, dataplane=dataplane, iptables=backend) as lab:
            _judge(lab, _spread(lab.cluster, start), traced, faults)

    one()

    assert faults == []
    assert traced.total() >= (100 if ALL else 20)


def _runnable(scenario: Scenario, dataplane: str) -> bool:
    try:
        with Edge() as edge:
            require(edge, sorted(set(Request(scenario=scenario, dataplane=dataplane).needs)))
    except MissingFeature:
        return False
    return True


def _faults(
    scenario: Scenario, dataplane: str, backend: Backend | None
) -> tuple[Counter[str], list[str]]:
    ends: Counter[str] = Counter()
    faults: list[str] = []
    with Lab(scenario, dataplane=dataplane, iptables=backend) as lab:
        _judge(lab, list(_some(lab.cluster)), ends, faults)
    return ends, [f"{scenario.path}: {each}" for each in faults]


def _judge(lab: Lab, asked: Sequence[Flow], ends: Counter[str], faults: list[str]) -> None:
    for traced in trace(lab._live, asked):
        (path,) = traced.paths
        ends[path.outcome] += 1
        if path.legs:
            ends[path.legs[0].end.fate] += 1
        if (wrong := fault(lab.cluster, path)) is not None:
            faults.append(wrong)


def _spread(cluster: Cluster, start: int) -> list[Flow]:
    """Some flows of a cluster, each as far from the next as can be; few are silent ones."""
    every = list(flows(cluster, None))
    silent = [flow for flow in every if _expected(cluster, flow) is Outcome.TIMED_OUT]
    told = [flow for flow in every if flow not in silent]
    step = max(1, len(told) // FLOWS_OF_EACH)
    chosen = told[start % step :: step][:FLOWS_OF_EACH]
    return chosen + silent[start % len(silent) :][:1] if silent else chosen


def _expected(cluster: Cluster, flow: Flow) -> Outcome | None:
    """What is specified; None where the specification says nothing."""
    try:
        return explain(cluster, flow).expected.outcome
    except UsageError:
        return None


def _some(cluster: Cluster) -> Iterator[Flow]:
    """Flows of every kind: by source, address, node, and what the specification says."""
    kinds: Counter[object] = Counter()
    silent: list[Flow] = []
    for flow in flows(cluster, None):
        outcome = _expected(cluster, flow)
        if outcome is Outcome.TIMED_OUT:
            silent.append(flow)
            continue
        kind = (flow.source, flow.via, flow.protocol, outcome, flow.node == flow.source)
        kinds[kind] += 1
        if kinds[kind] <= OF_A_KIND:
            yield flow
    # Most silent ones ask for what the LAN has no way to: that is seen once and for all.
    yield from sorted(silent, key=lambda flow: flow.via in INSIDE)[:SILENT_ONES]
