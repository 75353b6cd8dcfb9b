"""From a Check's words to the flow that they mean."""

from __future__ import annotations

import pytest

from labkit.cluster.model import Protocol
from labkit.errors import UsageError
from labkit.lab.targets import parse
from labkit.manifest.load import load_text

SCENARIO = """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: lab}
spec:
  nodes: [{name: node1}, {name: node2}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec:
  nodeName: node1
  containers: [{name: web, ports: [{containerPort: 8080, name: http}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  clusterIP: 10.96.0.20
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http, nodePort: 30080}
  - {name: dns, port: 53, targetPort: 8080, nodePort: 30053, protocol: UDP}
"""


@pytest.mark.parametrize(
    ("text", "address", "dport", "protocol", "via"),
    [
        ("node2:30080", "192.168.0.2", 30080, "TCP", "NodePort"),
        ("web:http", "10.96.0.20", 80, "TCP", "ClusterIP"),
        ("web:80", "10.96.0.20", 80, "TCP", "ClusterIP"),
        ("web:dns", "10.96.0.20", 53, "UDP", "ClusterIP"),
        ("web:53", "10.96.0.20", 53, "UDP", "ClusterIP"),
        ("web-1", "10.244.1.2", 8080, "TCP", "PodIP"),
        ("10.96.0.20:80", "10.96.0.20", 80, "TCP", "ClusterIP"),
        ("10.9.9.9:80", "10.9.9.9", 80, "TCP", None),
        ("127.0.0.1:30080", "127.0.0.1", 30080, "TCP", "NodePort"),
    ],
)
def test_a_target_in_words(
    text: str, address: str, dport: int, protocol: str, via: str | None
) -> None:
    from labkit.cluster.build import build_cluster

    flow = parse(build_cluster(load_text(SCENARIO)), "node1", text, Protocol.TCP)

    assert (str(flow.address), flow.dport, flow.protocol, flow.via) == (
        address,
        dport,
        protocol,
        via,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nod2:30080", "did you mean node2"),
        ("web", "more than one port"),
        ("web:8081", "no port 8081"),
        ("node1", "no port; give node1:PORT"),
    ],
)
def test_a_target_that_is_none_says_what_there_is(text: str, message: str) -> None:
    from labkit.cluster.build import build_cluster

    with pytest.raises(UsageError, match=message):
        parse(build_cluster(load_text(SCENARIO)), "client", text, Protocol.TCP)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("node1:70000", "port 70000 is out of range"),
        ("node1:0", "port 0 is out of range"),
        (f"node1:{'9' * 5000}", "port 99999 is out of range"),
    ],
    ids=["large", "zero", "very long"],
)
def test_a_port_that_there_cannot_be_is_told(text: str, said: str) -> None:
    from labkit.cluster.build import build_cluster

    with pytest.raises(UsageError, match=said):
        parse(build_cluster(load_text(SCENARIO)), "node1", text, Protocol.TCP)


@pytest.mark.parametrize("to", [{}, {"address": "1.2.3", "port": 80}])
def test_a_target_that_is_no_address_is_told(to: dict[str, object]) -> None:
    from labkit.cluster.build import build_cluster
    from labkit.lab.targets import resolve, target_from

    cluster = build_cluster(load_text(SCENARIO))

    with pytest.raises(UsageError, match="give a node, a service, a pod or an IPv4 address"):
        resolve(cluster, "node1", target_from(to), Protocol.TCP)
