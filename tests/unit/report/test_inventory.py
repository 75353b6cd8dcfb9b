"""What there is in a lab, as tables."""

from __future__ import annotations

import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.errors import UsageError
from labkit.manifest.load import load_text
from labkit.report import render_inventory

SCENARIO = """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: lab}
spec:
  nodes: [{name: node1, zone: east}, {name: node2}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec:
  nodeName: node1
  containers: [{name: web, ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]}]
---
apiVersion: v1
kind: Pod
metadata:
  {name: web-2, namespace: shop, labels: {app: web}, annotations: {labkit.dev/ready: "false"}}
spec:
  nodeName: node2
  containers: [{name: web, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.20
  externalIPs: [203.0.113.9]
  selector: {app: web}
  ports: [{port: 8080, targetPort: 80, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: shop}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.fixture
def cluster() -> Cluster:
    return build_cluster(load_text(SCENARIO))


def rows(cluster: Cluster, what: str) -> list[list[str]]:
    return [line.split() for line in render_inventory(cluster, what).splitlines()]


def test_pods_have_their_state_address_node_and_ports(cluster: Cluster) -> None:
    assert rows(cluster, "pods") == [
        ["NAME", "STATUS", "IP", "NODE", "PORTS"],
        ["web-1", "Ready", "10.244.1.2", "node1", "80/TCP,53/UDP"],
        ["shop/web-2", "NotReady", "10.244.2.2", "node2", "80/TCP"],
    ]


def test_services_have_their_addresses_ports_and_endpoints(cluster: Cluster) -> None:
    heads, *services = rows(cluster, "services")

    assert heads == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "ENDPOINTS"]
    assert [
        "web",
        "NodePort",
        "10.96.0.20",
        "203.0.113.9",
        "8080:30080/TCP",
        "web-1:80",
    ] in services
    (headless,) = [each for each in services if each[0] == "shop/headless"]
    assert headless[2:5] == ["None", "<none>", "80/TCP"]
    assert " ".join(headless[5:]) == "shop/web-2:80 (not ready)"


def test_nodes_and_hosts(cluster: Cluster) -> None:
    assert rows(cluster, "nodes")[1:] == [
        ["node1", "192.168.0.1", "10.244.1.0/24", "east", "1"],
        ["node2", "192.168.0.2", "10.244.2.0/24", "<none>", "1"],
    ]
    assert [row[:2] for row in rows(cluster, "hosts")[1:]] == [
        ["client", "client"],
        ["node1", "node"],
        ["node2", "node"],
        ["web-1", "pod"],
        ["shop/web-2", "pod"],
    ]


def test_what_there_is_none_of_is_told() -> None:
    empty = build_cluster(load_text(SCENARIO.partition("---")[0]))
    assert render_inventory(empty, "pods") == "there are no pods\n"


def test_a_table_that_there_is_not(cluster: Cluster) -> None:
    with pytest.raises(UsageError, match="there is no table of pod; did you mean pods"):
        render_inventory(cluster, "pod")
