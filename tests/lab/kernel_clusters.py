"""Small clusters for the tests of the kernel edge."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import Client, Cluster, KubeProxy, Network, Node, Pod, PodNetwork, Route
from labkit.cluster.object_names import ObjectName

NODE1 = Node(
    name="node1", address=IPv4Address("192.168.0.11"), pod_cidr=IPv4Network("10.244.1.0/24")
)
NODE2 = Node(
    name="node2", address=IPv4Address("192.168.0.12"), pod_cidr=IPv4Network("10.244.2.0/24")
)
CLIENT = Client(name="client", address=IPv4Address("192.168.0.100"))
STRANGER = Client(
    name="stranger",
    address=IPv4Address("203.0.113.7"),
    routes=(Route(to=IPv4Network("10.96.0.0/12"), via=NODE1.address),),
)
GATEWAY = IPv4Address("192.168.0.1")


def pod(name: str, node: Node, last: int, *, host_network: bool = False) -> Pod:
    return Pod(
        key=ObjectName("default", name),
        node=node.name,
        address=node.address if host_network else node.pod_cidr[last],
        interface="" if host_network else f"veth-{name}",
        host_network=host_network,
    )


WEB1, WEB2 = pod("web-1", NODE1, 2), pod("web-2", NODE2, 2)
AGENT = pod("agent", NODE2, 0, host_network=True)
CLUSTER = Cluster(
    name="kernel",
    dataplane="none",
    network=Network(
        lan=IPv4Network("192.168.0.0/24"),
        gateway=GATEWAY,
        pod_cidr=IPv4Network("10.244.0.0/16"),
        service_cidr=IPv4Network("10.96.0.0/12"),
    ),
    kube_proxy=KubeProxy(cluster_cidr=None),
    nodes=(NODE1, NODE2),
    clients=(CLIENT, STRANGER),
    pods=(WEB1, WEB2, AGENT),
)
VXLAN = replace(CLUSTER, network=replace(CLUSTER.network, pod_network=PodNetwork.VXLAN))
