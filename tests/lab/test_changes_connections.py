"""Connections and UDP clients that live longer than the Service they began with.

Source: kubernetes test/e2e/network/service.go, loadbalancer.go and conntrack.go.
"""

from __future__ import annotations

import contextlib
import shlex
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Self

import pytest

import labkit
from labkit.pytest_plugin import LabFactory
from labkit.semantics.traits import Trait
from tests.lab.changing import (
    CLUSTER_IP,
    LOCAL,
    UNREADY,
    ask,
    ask_udp,
    connected,
    has,
    pod,
    service,
    two_nodes,
)

UDP_PORT = {"port": 53, "protocol": "UDP", "nodePort": 30053}
FAR = 2**30
"""Beyond every window: the largest is 2^16 bytes scaled by 2^14 (RFC 7323)."""


@dataclass(frozen=True, slots=True)
class Segment:
    """What of a TCP segment says where its connection is."""

    source: IPv4Address
    sport: int
    seq: int
    """Of the first byte after it."""
    ack: int

    @classmethod
    def read(cls, packet: bytes) -> Self:
        """Read an IPv4 packet (RFC 791, RFC 9293)."""
        tcp = packet[(packet[0] & 15) * 4 :]
        sport, _dport, seq, ack, offset = struct.unpack_from("!HHIIB", tcp)
        return cls(IPv4Address(packet[12:16]), sport, seq + len(tcp) - (offset >> 4) * 4, ack)

    def answer(self, own: IPv4Address, *, beyond: int) -> bytes:
        """An acknowledgement of it, so many bytes ahead of what its sender waits for."""

        def header(checksum: int) -> bytes:
            seq, ack = ((self.ack + beyond) % 2**32, self.seq % 2**32)
            flags, window = 0x10, 512
            return struct.pack(
                "!HHIIBBHHH", 80, self.sport, seq, ack, 5 << 4, flags, window, checksum, 0
            )

        bare = header(0)
        pseudo = own.packed + self.source.packed + struct.pack("!BBH", 0, 6, len(bare))
        total = sum(struct.unpack(f"!{len(pseudo + bare) // 2}H", pseudo + bare))
        total = (total & 0xFFFF) + (total >> 16)
        return header(~((total & 0xFFFF) + (total >> 16)) & 0xFFFF)


@dataclass(frozen=True, slots=True)
class Way:
    """Who asks, and which address."""

    source: str
    address: str
    port: int
    policy: str = "Cluster"
    """The internalTrafficPolicy."""

    def __str__(self) -> str:
        return f"{self.source} to {self.address}, {self.policy}"


UDP_WAYS = pytest.mark.parametrize(
    "way",
    [
        Way("client", "192.168.0.2", 30053),
        Way("caller", CLUSTER_IP, 53),
        Way("caller", CLUSTER_IP, 53, LOCAL),
        Way("node2", CLUSTER_IP, 53),
    ],
    ids=str,
)


def udp_pod(cluster: labkit.Lab, name: str, *ports: int, ready: bool = True) -> None:
    """Add a pod on node2, beside the caller, which answers on some ports."""
    declared = [{"containerPort": port} for port in ports or (53,)]
    metadata = {} if ready else UNREADY
    pod(cluster, name, "node2", metadata, protocol="UDP", ports=declared)


def udp_service(cluster: labkit.Lab, way: Way, target_port: int = 53) -> None:
    port = {**UDP_PORT, "targetPort": target_port}
    service(cluster, clusterIP=CLUSTER_IP, internalTrafficPolicy=way.policy, ports=[port])


@pytest.fixture
def caller(cluster: labkit.Lab) -> labkit.Lab:
    """The lab with a pod on node2 that calls and serves nothing."""
    cluster.add_pod("caller", node="node2", labels={"app": "caller"})
    return cluster


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_connection_goes_on_while_the_external_policy_changes(
    cluster: labkit.Lab, node: str
) -> None:
    service(cluster)
    address = str(cluster.node(node).address)
    with connected(cluster, "client", address, 30080) as connection:
        for policy in (LOCAL, "Cluster", LOCAL):
            assert ask(connection) == "web-1"
            service(cluster, externalTrafficPolicy=policy)
        assert ask(connection) == "web-1"


def test_a_connection_goes_on_while_other_pods_come_and_go(cluster: labkit.Lab) -> None:
    service(cluster)
    with connected(cluster, "client", "192.168.0.2", 30080) as connection:
        assert ask(connection) == "web-1"
        pod(cluster, "web-2", "node2")
        assert ask(connection) == "web-1"
        cluster.remove("Pod", "web-2")
        assert ask(connection) == "web-1"


@UDP_WAYS
def test_a_udp_client_is_answered_by_the_pod_that_replaces_another(
    caller: labkit.Lab, way: Way
) -> None:
    caller.remove("Pod", "web-1")
    udp_pod(caller, "udp-1")
    udp_service(caller, way)
    with connected(caller, way.source, way.address, way.port, socket.SOCK_DGRAM) as client:
        assert ask_udp(client) == "udp-1:53"

        udp_pod(caller, "udp-2")
        caller.remove("Pod", "udp-1")

        assert ask_udp(client) == "udp-2:53"


@UDP_WAYS
def test_a_udp_client_that_asked_too_early_is_answered_by_the_first_ready_pod(
    caller: labkit.Lab, way: Way
) -> None:
    """The flow that found no endpoint must not stay without one (kubernetes#105657)."""
    caller.remove("Pod", "web-1")
    udp_pod(caller, "udp-1", ready=False)
    udp_service(caller, way)
    with connected(caller, way.source, way.address, way.port, socket.SOCK_DGRAM) as client:
        assert ask_udp(client, deadline_s=0.2) == ""

        udp_pod(caller, "udp-1")

        assert ask_udp(client) == "udp-1:53"


@UDP_WAYS
def test_a_udp_client_follows_the_target_port(caller: labkit.Lab, way: Way) -> None:
    caller.remove("Pod", "web-1")
    udp_pod(caller, "udp-1", 53, 5353)
    udp_service(caller, way)
    with connected(caller, way.source, way.address, way.port, socket.SOCK_DGRAM) as client:
        assert ask_udp(client) == "udp-1:53"

        udp_service(caller, way, target_port=5353)

        assert ask_udp(client) == "udp-1:5353"


def answer_beyond_the_window(raw: socket.socket, own: IPv4Address) -> None:
    """Answer the last segment that came to a pod by one that its connection does not expect."""
    raw.settimeout(0)
    last = None
    with contextlib.suppress(BlockingIOError):
        while True:
            last = Segment.read(raw.recv(65535))
    assert last is not None
    raw.sendto(last.answer(own, beyond=FAR), (str(last.source), 0))


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_an_answer_beyond_the_window_resets_no_connection(cluster: labkit.Lab, node: str) -> None:
    """Untranslated, it would come from a stranger and draw a RST (kubernetes#74839)."""
    service(cluster, clusterIP=CLUSTER_IP)
    cluster.add_pod("caller", node=node, labels={"app": "caller"})
    with (
        cluster.socket("web-1", socket.SOCK_RAW, socket.IPPROTO_TCP) as raw,
        connected(cluster, "caller", CLUSTER_IP, 80) as connection,
    ):
        assert ask(connection) == "web-1"

        answer_beyond_the_window(raw, cluster.pod("web-1").address)

        if has(cluster, Trait.FORWARDS_INVALID):
            with pytest.raises(ConnectionResetError):
                ask(connection)
        else:
            assert ask(connection) == "web-1"


@pytest.mark.parametrize(
    "dataplane",
    ["iptables", "nftables", pytest.param("ipvs", marks=pytest.mark.labkit_needs("ip_vs"))],
)
def test_a_liberal_conntrack_needs_no_rule(dataplane: str, lab: LabFactory) -> None:
    cluster = lab(two_nodes(conntrack={"tcpBeLiberal": True}), dataplane=dataplane)
    pod(cluster, "web-1", "node1")
    service(cluster, clusterIP=CLUSTER_IP)
    cluster.add_pod("caller", node="node1", labels={"app": "caller"})
    assert "INVALID" not in cluster.rules("node1")
    with (
        cluster.socket("web-1", socket.SOCK_RAW, socket.IPPROTO_TCP) as raw,
        connected(cluster, "caller", CLUSTER_IP, 80) as connection,
    ):
        assert ask(connection) == "web-1"

        answer_beyond_the_window(raw, cluster.pod("web-1").address)

        assert ask(connection) == "web-1"


def test_what_keeps_the_connection_is_a_rule(lab: LabFactory) -> None:
    cluster = lab(two_nodes(), dataplane="iptables")
    pod(cluster, "web-1", "node1")
    service(cluster, clusterIP=CLUSTER_IP)
    cluster.add_pod("caller", node="node1", labels={"app": "caller"})
    (rule,) = (line for line in cluster.rules("node1").splitlines() if "INVALID" in line)
    cluster.exec("node1", ["iptables", "-D", *shlex.split(rule)[1:]], check=True)
    with (
        cluster.socket("web-1", socket.SOCK_RAW, socket.IPPROTO_TCP) as raw,
        connected(cluster, "caller", CLUSTER_IP, 80) as connection,
    ):
        assert ask(connection) == "web-1"

        answer_beyond_the_window(raw, cluster.pod("web-1").address)

        with pytest.raises(ConnectionResetError):
            ask(connection)
