"""Nodes forget UDP flows to endpoints that are gone: a client that keeps its port goes on."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address

import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.kernel.conntrack import forget_udp_flows, udp_flows
from labkit.kernel.netns import Namespace
from labkit.lab.running import Running
from labkit.manifest.load import load_text

pytestmark = pytest.mark.labkit_needs("conntrack")

NODE_PORT = 30053


def dns(*ready: str) -> Cluster:
    """Two pods behind a UDP NodePort, of which some are ready."""
    pods = "".join(
        f"""
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels: {{app: dns}}
  annotations: {{labkit.dev/ready: "{"true" if name in ready else "false"}"}}
spec:
  nodeName: node1
  containers: [{{name: dns, image: agnhost, ports: [{{containerPort: 53, protocol: UDP}}]}}]
"""
        for name in ("dns-1", "dns-2")
    )
    return build_cluster(
        load_text(
            f"""
apiVersion: labkit.dev/v1
kind: Lab
metadata: {{name: dns}}
spec: {{nodes: [{{name: node1}}, {{name: node2}}], clients: [{{name: client}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: dns}}
spec:
  type: NodePort
  selector: {{app: dns}}
  ports: [{{port: 53, protocol: UDP, nodePort: {NODE_PORT}}}]
{pods}"""
        )
    )


@contextmanager
def udp_client(namespace: Namespace, address: IPv4Address) -> Iterator[socket.socket]:
    """A socket that keeps its port and hears of nobody but whom it asked."""
    with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((str(address), NODE_PORT))
        yield client


def ask(client: socket.socket) -> str:
    client.send(b"hostname")
    return client.recv(1000).decode().strip()


def test_a_udp_client_goes_on_when_its_endpoint_is_gone() -> None:
    lab = dns("dns-1")
    with Running(lab, seed=0) as running:
        namespace, address = running.namespace("client"), lab.node_by_name["node2"].address
        with udp_client(namespace, address) as client:
            assert ask(client) == "dns-1"

            running.change(dns("dns-2"))

            assert ask(client) == "dns-2"


def test_a_udp_client_stays_where_it_is_when_another_endpoint_comes() -> None:
    lab = dns("dns-1")
    with Running(lab, seed=0) as running:
        namespace, address = running.namespace("client"), lab.node_by_name["node2"].address
        with udp_client(namespace, address) as client:
            assert ask(client) == "dns-1"

            running.change(dns("dns-1", "dns-2"))

            assert {ask(client) for _ in range(10)} == {"dns-1"}


def test_a_flow_that_is_forgotten_is_gone_and_the_others_stay() -> None:
    lab = dns("dns-1")
    with Running(lab, seed=0) as running:
        node2, address = running.namespace("node2"), lab.node_by_name["node2"].address
        client = running.namespace("client")
        with udp_client(client, address) as first, udp_client(client, address) as second:
            assert ask(first) == ask(second) == "dns-1"
            flows = [flow for flow in udp_flows(node2) if flow.dport == NODE_PORT]
            gone = next(flow for flow in flows if flow.sport == first.getsockname()[1])

            forget_udp_flows(node2, [gone])
            forget_udp_flows(node2, [gone])

            left = [flow for flow in udp_flows(node2) if flow.dport == NODE_PORT]
            assert [flow.sport for flow in left] == [second.getsockname()[1]]
            assert left[0].destination == address
            assert left[0].reply_source == lab.pod_by_name["dns-1"].address
