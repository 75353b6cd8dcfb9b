"""What a real kube-proxy makes of every scenario and every recording, and that it is as known.

Any version will do: where an old one parts from Kubernetes 1.36, its traits say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import pytest

from labkit.cluster.model import Cluster, Protocol
from labkit.dataplane.kube_proxy.program import find
from labkit.errors import MissingFeature, UsageError
from labkit.lab.targets import flow_to
from labkit.probe.compare import question
from labkit.probe.conformance import is_known
from labkit.pytest_plugin import LabFactory
from labkit.semantics.predict import predict
from labkit.semantics.traits import TRAITS, Trait, traits_of
from tests.lab.predictions import surprises
from tests.lab.truths import TruthFlow, differences, truth_of
from tests.many_policies import VARIANTS, every_policy
from tests.real_kube_proxy import kube_proxy
from tests.recorded import SCENARIOS as RECORDED

SCENARIOS: Final = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
DEVIATES: Final[Mapping[tuple[str, str], Trait]] = {
    ("external-ip", "pods reach it too, and are masqueraded"): Trait.EXTERNAL_IPS_FOR_OUTSIDERS,
    (
        "external-ip-local",
        "a pod reaches the externalIP from the node without an endpoint",
    ): Trait.EXTERNAL_IPS_FOR_OUTSIDERS,
    ("external-ip-local", "and so does that node itself"): Trait.EXTERNAL_IPS_FOR_OUTSIDERS,
    (
        "health-check-node-port-firewall",
        "node1 says that it has an endpoint",
    ): Trait.LEAVES_HEALTH_CHECKS_CLOSED,
    (
        "health-check-node-port-firewall",
        "node2 says that it has none",
    ): Trait.LEAVES_HEALTH_CHECKS_CLOSED,
    (
        "internal-traffic-policy-host-network",
        "the other node has none and drops",
    ): Trait.IGNORES_INTERNAL_POLICY,
    (
        "internal-traffic-policy-local",
        "on the other node it is dropped",
    ): Trait.IGNORES_INTERNAL_POLICY,
    ("loadbalancer-ip-mode", "Proxy: the packet leaves the cluster"): Trait.IGNORES_IP_MODE,
    ("topology-hints", "zone a keeps to its own"): Trait.IGNORES_HINTS,
    ("topology-hints", "zone b keeps to its own"): Trait.IGNORES_HINTS,
}
"""Checks that must fail under a kube-proxy that has a trait; others may, if the model says so."""
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

    try:
        failed = [result for result in running.check() if not result.passed]
    except MissingFeature as missing:
        pytest.skip(str(missing))

    must_fail = {
        name for (stem, name), trait in DEVIATES.items() if stem == path.stem and trait in own
    }
    assert {each.name for each in failed if not is_known(each, running.cluster)} <= must_fail
    assert must_fail <= {result.name for result in failed}


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


@pytest.mark.labkit_needs("ip_vs", "dummy", "ipset", "set match", "ipvs match")
@pytest.mark.timeout(600)
def test_every_flow_is_as_predicted_in_ipvs_mode(lab: LabFactory) -> None:
    running = lab(
        every_policy(), dataplane="kube-proxy", kube_proxy=kube_proxy(), proxy_mode="ipvs"
    )

    assert surprises(running) == []
