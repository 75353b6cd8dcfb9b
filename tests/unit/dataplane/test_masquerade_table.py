"""Who gets where and who is masqueraded: kube-proxy's own table of 30 flows, four times.

Source: kubernetes pkg/proxy/iptables/proxier_test.go, TestInternalExternalMasquerade; the row from
a node to a NodePort is asked of the Service that it names.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import KubeProxy, Service
from tests.unit.dataplane.clusters import (
    BOTH,
    CLUSTER_IP,
    CONFIG,
    LB_IP,
    LOCAL,
    LOCALHOST,
    NODE1,
    NODE_PORT,
    ONLY_HERE,
    WEB,
    cluster,
    send,
)

SERVICES = {
    "Cluster": WEB,
    "eTP=Local": replace(WEB, external_traffic_policy=LOCAL),
    "iTP=Local": replace(WEB, internal_traffic_policy=LOCAL),
}
TARGETS = {
    "ClusterIP": (CLUSTER_IP, 80),
    "NodePort": (NODE1.address, NODE_PORT),
    "localhost": (LOCALHOST, NODE_PORT),
    "LB IP": (LB_IP, 80),
}
CONFIGS = {
    "default": CONFIG,
    "no detector": replace(CONFIG, cluster_cidr=None),
    "masqueradeAll": replace(CONFIG, masquerade_all=True),
    "both": replace(CONFIG, cluster_cidr=None, masquerade_all=True),
}
DEFAULT = """
pod       ClusterIP  all        all        local
pod       NodePort   all+SNAT   all        all+SNAT
pod       LB-IP      all+SNAT   all        all+SNAT
node      ClusterIP  all+SNAT   all+SNAT   local+SNAT
node      NodePort   all+SNAT   all+SNAT   all+SNAT
localhost localhost  all+SNAT   all+SNAT   all+SNAT
node      LB-IP      all+SNAT   all+SNAT   all+SNAT
client    ClusterIP  all+SNAT   all+SNAT   local+SNAT
client    NodePort   all+SNAT   local      all+SNAT
client    LB-IP      all+SNAT   local      all+SNAT
"""
CHANGES = {
    "default": "",
    "no detector": """
pod       NodePort   all+SNAT   local      all+SNAT
pod       LB-IP      all+SNAT   local      all+SNAT
node      ClusterIP  all        all        local
client    ClusterIP  all        all        local
""",
    "masqueradeAll": """
pod       ClusterIP  all+SNAT   all+SNAT   local+SNAT
""",
    "both": """
pod       ClusterIP  all+SNAT   all+SNAT   local+SNAT
pod       NodePort   all+SNAT   local      all+SNAT
pod       LB-IP      all+SNAT   local      all+SNAT
""",
}


def rows(text: str) -> dict[tuple[str, str], list[str]]:
    words = (line.split() for line in text.split("\n") if line)
    return {(source, target.replace("-", " ")): cells for source, target, *cells in words}


CASES = [
    pytest.param(CONFIGS[config], service, *flow, cell, id=f"{config}: {' to '.join(flow)}, {name}")
    for config, changes in CHANGES.items()
    for flow, cells in (rows(DEFAULT) | rows(changes)).items()
    for (name, service), cell in zip(SERVICES.items(), cells, strict=True)
]


def test_the_table_has_thirty_flows_in_four_configurations() -> None:
    assert len(CASES) == 4 * 30


@pytest.mark.parametrize(("config", "service", "source", "target", "want"), CASES)
def test_who_is_reached_and_who_is_masqueraded(
    config: KubeProxy, service: Service, source: str, target: str, want: str
) -> None:
    sent = send(cluster(service, config=config), source, *TARGETS[target])

    reached, _, snat = want.partition("+")
    assert sent.to == (BOTH if reached == "all" else ONLY_HERE)
    assert sent.masqueraded == bool(snat)
