"""The clusters that are built: hosts on one LAN, or pods on nodes, and nothing else. Pure."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Final

from labkit.cluster.model import (
    Client,
    Cluster,
    Container,
    ContainerPort,
    KubeProxy,
    Network,
    Node,
    Pod,
)
from labkit.cluster.object_names import ObjectName

PORT: Final = 80
LAN: Final = IPv4Network("10.0.0.0/16")
NODES: Final = IPv4Network("10.128.0.0/9")
"""A /20 for the pods of each node, which is more than its bridge takes."""
NODE_PREFIX: Final = 20


def star_cluster(hosts: int) -> Cluster:
    """So many clients on one LAN, and nothing else."""
    return Cluster(
        name="bench",
        dataplane="none",
        network=Network(
            lan=LAN,
            gateway=LAN.broadcast_address - 1,
            pod_cidr=NODES,
            service_cidr=IPv4Network("10.96.0.0/12"),
        ),
        kube_proxy=KubeProxy(cluster_cidr=NODES),
        nodes=(),
        clients=tuple(Client(name=f"h{n}", address=LAN[n]) for n in range(1, hosts + 1)),
    )


def pod_cluster(nodes: int, pods: int, *, dataplane: str = "none") -> Cluster:
    """So many pods, evenly on so many nodes; each has a responder where those are started."""
    cidrs = list(NODES.subnets(new_prefix=NODE_PREFIX))[:nodes]
    return replace(
        star_cluster(0),
        dataplane=dataplane,
        nodes=tuple(
            Node(name=f"node{number}", address=LAN[number + 1], pod_cidr=cidr)
            for number, cidr in enumerate(cidrs)
        ),
        pods=tuple(
            Pod(
                key=ObjectName("default", f"pod{number}"),
                node=f"node{number % nodes}",
                address=cidrs[number % nodes][number // nodes + 2],
                interface=f"veth-{number}",
                containers=(Container(name="c", ports=(ContainerPort(port=PORT),)),),
            )
            for number in range(pods)
        ),
    )
