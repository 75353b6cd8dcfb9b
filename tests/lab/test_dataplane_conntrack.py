"""Nodes forget UDP flows to endpoints that are gone: a client that keeps its port goes on."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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
NOBODY_S = 0.2
"""Long enough for a node's refusal to arrive; where nobody refuses, nobody ever answers."""

Way = Callable[[Cluster], tuple[str, str, IPv4Address, int]]


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
def udp_client(
    namespace: Namespace, address: IPv4Address, port: int = NODE_PORT
) -> Iterator[socket.socket]:
    """A socket that keeps its port and hears of nobody but whom it asked."""
    with namespace.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((str(address), port))
        yield client


def by_node_port(lab: Cluster) -> tuple[str, str, IPv4Address, int]:
    """Who asks, which node tracks the flow, and whom it asks: a client asks a node."""
    return "client", "node2", lab.node_by_name["node2"].address, NODE_PORT


def by_cluster_ip(lab: Cluster) -> tuple[str, str, IPv4Address, int]:
    """A node asks the cluster IP."""
    address = lab.services[0].cluster_ip
    assert address is not None
    return "node2", "node2", address, 53


WAYS = pytest.mark.parametrize("way", [by_node_port, by_cluster_ip])


def ask(client: socket.socket) -> str:
    client.send(b"hostname")
    return client.recv(1000).decode().strip()


@WAYS
def test_a_udp_client_goes_on_when_its_endpoint_is_gone(way: Way) -> None:
    lab = dns("dns-1")
    source, _, address, port = way(lab)
    with (
        Running(lab, seed=0) as running,
        udp_client(running.namespace(source), address, port) as client,
    ):
        assert ask(client) == "dns-1"

        # The pod is there and would answer: only the node can keep the client from it.
        running.change(dns("dns-2"))

        assert ask(client) == "dns-2"


@WAYS
def test_a_udp_client_that_asked_before_there_was_a_service_is_answered_by_it(way: Way) -> None:
    lab = dns("dns-1")
    source, node, address, port = way(lab)
    with (
        Running(replace(lab, services=(), endpoints={}), seed=0) as running,
        udp_client(running.namespace(source), address, port) as client,
    ):
        client.send(b"hostname")
        client.settimeout(NOBODY_S)
        with pytest.raises((ConnectionRefusedError, TimeoutError)):
            client.recv(1000)
        tracked = {(flow.sport, flow.dport) for flow in udp_flows(running.namespace(node))}
        assert (client.getsockname()[1], port) in tracked

        running.change(lab)

        client.settimeout(5)
        assert ask(client) == "dns-1"


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
