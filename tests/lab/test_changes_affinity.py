"""Session affinity by client address: switched on and off, and forgotten after its time.

Source: kubernetes test/e2e/network/service.go and loadbalancer.go; xt_recent in
iptables-extensions(8), ``timeout`` of sets in nft(8), ``--persistent`` in ipvsadm(8).
"""

from __future__ import annotations

import socket
import struct

import pytest

import labkit
from tests.lab.changing import CLUSTER_IP, LOAD_BALANCER_IP, NODES, pod, service, until

PODS = 6
TIMEOUT_S = 2
WAYS = {
    "cluster-ip": f"{CLUSTER_IP}:80",
    "node-port": "node1:30080",
    "load-balancer": f"{LOAD_BALANCER_IP}:80",
}
"""What a client calls, by the Service that it is an address of."""
LOOKS = 8
"""Each finds another pod but for one case in six: all of them miss it once in a million runs."""
IP_VS_SO_SET_TIMEOUT = 64 + 1024 + 64 + 10
"""linux/ip_vs.h"""


def sticky(cluster: labkit.Lab, protocol: str, *, timeout_s: int | None = 10800) -> None:
    """Give every Service session affinity, or none."""
    affinity: dict[str, object] = {"sessionAffinity": "None"}
    if timeout_s:
        config = {"clientIP": {"timeoutSeconds": timeout_s}}
        affinity = {"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}
    port = {"port": 80, "protocol": protocol}
    balanced = {"type": "LoadBalancer", "allocateLoadBalancerNodePorts": False}
    service(cluster, "cluster-ip", type="ClusterIP", clusterIP=CLUSTER_IP, ports=[port], **affinity)
    service(cluster, "node-port", ports=[{**port, "nodePort": 30080}], **affinity)
    service(cluster, "load-balancer", **balanced, ports=[port], **affinity)


def answering(cluster: labkit.Lab, protocol: str, attempts: int) -> dict[str, set[str]]:
    """The pods that answered a client, by the Service."""
    return {
        name: set(cluster.probe("client", to=to, protocol=protocol, attempts=attempts).backends)
        for name, to in WAYS.items()
    }


def served_by(cluster: labkit.Lab, protocol: str) -> None:
    for number in range(1, PODS + 1):
        pod(cluster, f"web-{number}", f"node{number % NODES + 1}", protocol=protocol)


def test_a_client_is_held_to_a_pod_and_let_go(cluster: labkit.Lab) -> None:
    served_by(cluster, "TCP")
    for _ in range(2):
        sticky(cluster, "TCP", timeout_s=None)
        assert all(len(pods) > 1 for pods in answering(cluster, "TCP", 20).values())

        sticky(cluster, "TCP")
        assert all(len(pods) == 1 for pods in answering(cluster, "TCP", 20).values())


@pytest.mark.timeout(60)
def test_a_client_that_was_silent_for_long_enough_is_held_no_more(cluster: labkit.Lab) -> None:
    """By UDP: IPVS holds a client as long as it remembers one of its connections.

    That is two minutes for closed TCP connections, and for UDP what the test says.
    """
    served_by(cluster, "UDP")
    sticky(cluster, "UDP", timeout_s=TIMEOUT_S)
    if cluster.cluster.dataplane == "ipvs":
        with cluster.socket("node1", socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            timeouts = struct.pack("=iii", 0, 0, 1)
            sock.setsockopt(socket.IPPROTO_IP, IP_VS_SO_SET_TIMEOUT, timeouts)
    first = answering(cluster, "UDP", 20)
    assert [len(pods) for pods in first.values()] == [1, 1, 1]
    moved: set[str] = set()

    def all_have_moved() -> bool:
        now = answering(cluster, "UDP", 1)
        moved.update(name for name in WAYS if now[name] != first[name])
        return moved == WAYS.keys()

    # Every look begins the time anew, so the next one is later than that.
    every_s = TIMEOUT_S + 0.5
    assert until(all_have_moved, every_s=every_s, deadline_s=LOOKS * every_s), moved
