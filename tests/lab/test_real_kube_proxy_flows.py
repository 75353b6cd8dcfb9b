"""What a real kube-proxy makes of every scenario and every recording, and that it is as known.

Any version will do: where an old one parts from Kubernetes 1.36, its traits say so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import pytest

from labkit.cluster.model import Cluster, Protocol
from labkit.dataplane.kube_proxy.program import find
from labkit.errors import UsageError
from labkit.lab.targets import flow_to
from labkit.probe.compare import question
from labkit.pytest_plugin import LabFactory
from labkit.semantics.predict import predict
from labkit.semantics.traits import TRAITS, Trait, traits_of
from tests.lab.predictions import surprises
from tests.lab.truths import TruthFlow, differences, truth_of
from tests.many_policies import VARIANTS, every_policy
from tests.real_kube_proxy import kube_proxy
from tests.recorded import SCENARIOS as RECORDED

SCENARIOS: Final = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
DEVIATES: Final[Mapping[str, Mapping[Trait, Collection[str]]]] = {
    "external-ip": {Trait.EXTERNAL_IPS_FOR_OUTSIDERS: ["pods reach it too, and are masqueraded"]},
    "external-ip-local": {
        Trait.EXTERNAL_IPS_FOR_OUTSIDERS: [
            "a pod reaches the externalIP from the node without an endpoint",
            "and so does that node itself",
        ]
    },
    "health-check-node-port-firewall": {
        Trait.LEAVES_HEALTH_CHECKS_CLOSED: [
            "node1 says that it has an endpoint",
            "node2 says that it has none",
        ]
    },
    "internal-traffic-policy-host-network": {
        Trait.IGNORES_INTERNAL_POLICY: ["the other node has none and drops"]
    },
    "internal-traffic-policy-local": {
        Trait.IGNORES_INTERNAL_POLICY: ["on the other node it is dropped"]
    },
    "loadbalancer-ip-mode": {Trait.IGNORES_IP_MODE: ["Proxy: the packet leaves the cluster"]},
    "terminating-endpoints": {
        Trait.IGNORES_TERMINATING: [
            "only terminating pods: they serve",
            "by the NodePort too",
            "Local: the node's own terminating pod serves",
            "Local: and outside clients",
            "Local: a node without one drops outside clients",
            "Local: and its own pods",
        ]
    },
    "topology-hints": {Trait.IGNORES_HINTS: ["zone a keeps to its own", "zone b keeps to its own"]},
    "topology-hints-policies": {
        Trait.IGNORES_HINTS: [
            "hints-cluster-cluster: a pod",
            "hints-cluster-cluster: a client",
            "hints-cluster-local: a pod",
            "hints-local-cluster: a client",
        ],
        Trait.IGNORES_INTERNAL_POLICY: [
            "hints-local-cluster: a pod",
            "hints-local-local: a pod",
            "none-local-cluster: a pod",
            "none-local-local: a pod",
        ],
    },
    "topology-same-node": {
        Trait.IGNORES_HINTS: [
            "node1 keeps to its two",
            "node2 keeps to its one",
            "a NodePort of node2 keeps to node2's too",
        ]
    },
    "topology-same-zone": {
        Trait.IGNORES_HINTS: [
            "zone: both nodes of zone a keep to its two",
            "zone: zone b keeps to its one",
            "close: both nodes of zone a keep to its two",
            "close: zone b keeps to its one",
        ]
    },
}
"""By scenario, Checks that fail under a kube-proxy that has a trait."""
NEEDS: Final[Mapping[str, str]] = {
    "nodeport-localhost-off": "iptables-localhost-nodeports",
    "nodeport-without-snat": "none leaves rules out",
}
"""The flag of kube-proxy that a scenario asks for."""
VARIED: Final = ("plain", "without clusterCIDR", "NodePorts on the LAN", "client behind a router")


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_check_ends_as_its_version_is_known_to(path: Path, lab: LabFactory) -> None:
    program = kube_proxy()
    flag = NEEDS.get(path.stem)
    if flag is not None and flag not in find(program).flags:
        with pytest.raises(UsageError, match="kube-proxy"):
            lab(path, dataplane="kube-proxy", kube_proxy=program)
        return
    running = lab(path, dataplane="kube-proxy", kube_proxy=program)
    own = traits_of("kube-proxy", running.cluster.real_kube_proxy)

    failed = {result.name for result in running.check() if not result.passed}

    known = DEVIATES.get(path.stem, {})
    assert failed == {name for trait, names in known.items() if trait in own for name in names}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recordings_of_1_36_differ_where_the_version_is_known_to(
    path: Path, lab: LabFactory
) -> None:
    running = lab(path, dataplane="kube-proxy", kube_proxy=kube_proxy())
    cluster = running.cluster
    own = traits_of("kube-proxy", cluster.real_kube_proxy)

    found = differences(running, "iptables", path.stem)

    foreseen = [
        f"{flow.key}:"
        for flow in truth_of("iptables", path.stem).flows
        if is_changed(cluster, flow, own)
    ]
    assert [line.partition(": kube-proxy")[0] + ":" for line in found] == foreseen


def is_changed(cluster: Cluster, recorded: TruthFlow, own: frozenset[Trait]) -> bool:
    """Whether kube-proxy 1.36 is known to do something else with a flow than one with these."""
    address, protocol = IPv4Address(recorded.address), Protocol(recorded.protocol)
    flow = question(cluster, flow_to(cluster, recorded.source, address, recorded.dport, protocol))
    if flow is None:
        return False
    return predict(cluster, flow, own) != predict(cluster, flow, TRAITS["iptables"])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("variant", VARIED)
def test_every_flow_is_as_predicted(variant: str, lab: LabFactory) -> None:
    scenario = every_policy(**VARIANTS[variant])

    assert surprises(lab(scenario, dataplane="kube-proxy", kube_proxy=kube_proxy())) == []
