"""Which labs are given ARP entries, and which ones."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import Cluster, KubeProxy, Network, Node
from labkit.kernel.neighbours import Neighbours


def cluster(count: int) -> Cluster:
    lan = IPv4Network("10.0.0.0/16")
    node = Node(name="", address=lan[1], pod_cidr=IPv4Network("10.244.0.0/24"))
    nodes = tuple(replace(node, name=f"n{i}", address=lan[i]) for i in range(1, count + 1))
    pods, services = IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/12")
    return Cluster(
        name="lab",
        dataplane="none",
        network=Network(lan=lan, gateway=lan[-2], pod_cidr=pods, service_cidr=services),
        kube_proxy=KubeProxy(cluster_cidr=None),
        nodes=nodes,
        clients=(),
    )


def test_a_small_lab_learns_its_neighbours() -> None:
    near = Neighbours(cluster(3))
    assert not list(near.on_lan(2, IPv4Address("10.0.0.1")))
    assert near.mac(IPv4Address("10.0.0.1")) == b""


def test_a_host_of_a_large_lab_knows_every_other_by_the_mac_that_it_has() -> None:
    near = Neighbours(cluster(100))
    requests = list(near.on_lan(2, IPv4Address("10.0.0.1")))
    assert len(requests) == 99
    other = IPv4Address("10.0.0.2")
    assert other.packed in requests[0].body
    assert near.mac(other) in requests[0].body
