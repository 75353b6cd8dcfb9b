"""Clusters and random numbers for the tests of probes; the addresses are kube-proxy's tests'."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import (
    Client,
    Cluster,
    Endpoint,
    Ingress,
    KubeProxy,
    Network,
    Node,
    Pod,
    PodNetwork,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.cluster.object_names import ObjectName

HTTP = ServicePort(name="http", protocol=Protocol.TCP, port=80, target_port=8080, node_port=30080)
NODES = tuple(
    Node(
        name=f"node{n}",
        address=IPv4Address(f"192.168.0.{n}"),
        pod_cidr=IPv4Network(f"10.244.{n}.0/24"),
    )
    for n in (1, 2)
)


def seeded(seed: int) -> random.Random:
    """The same random numbers every time."""
    return random.Random(seed)  # noqa: S311 - no secret


def pod(name: str, address: str, node: str, *, host_network: bool = False) -> Pod:
    return Pod(
        key=ObjectName("default", name),
        node=node,
        address=IPv4Address(address),
        host_network=host_network,
    )


PODS = (
    pod("web-1", "10.244.1.2", "node1"),
    pod("other-1", "10.244.1.3", "node1"),
    pod("agent-1", "192.168.0.1", "node1", host_network=True),
    pod("web-2", "10.244.2.2", "node2"),
    pod("web-3", "10.244.2.3", "node2"),
    pod("other-2", "10.244.2.4", "node2"),
    pod("other-3", "10.244.2.5", "node2"),
)


def endpoints(*names: str, port: int = 8080) -> tuple[Endpoint, ...]:
    by_name = {each.name: each for each in PODS}
    return tuple(
        Endpoint(address=by_name[name].address, port=port, node=by_name[name].node, pod=name)
        for name in names
    )


def service(name: str = "web", **changes: object) -> Service:
    fields: dict[str, object] = {
        "key": ObjectName("default", name),
        "type": ServiceType.LOAD_BALANCER,
        "cluster_ip": IPv4Address("172.30.0.10"),
        "ports": (HTTP,),
        "external_ips": (IPv4Address("203.0.113.7"),),
        "ingress": (Ingress(ip=IPv4Address("203.0.113.9")),),
        **changes,
    }
    return Service(**fields)  # type: ignore[arg-type]


def cluster(
    services: Sequence[Service] = (service(),),
    backends: Mapping[str, Sequence[Endpoint]] | None = None,
    *,
    pod_network: PodNetwork = PodNetwork.HOST_GW,
) -> Cluster:
    given = {"web": endpoints("web-1", "web-2", "web-3")} if backends is None else backends
    return Cluster(
        name="lab",
        dataplane="iptables",
        network=Network(
            lan=IPv4Network("192.168.0.0/24"),
            gateway=IPv4Address("192.168.0.254"),
            pod_cidr=IPv4Network("10.244.0.0/16"),
            service_cidr=IPv4Network("172.30.0.0/16"),
            pod_network=pod_network,
        ),
        kube_proxy=KubeProxy(cluster_cidr=None),
        nodes=NODES,
        clients=(Client(name="client", address=IPv4Address("203.0.113.2")),),
        pods=PODS,
        services=tuple(services),
        endpoints={
            each.port_name(port): tuple(given.get(each.key.name, ()))
            for each in services
            for port in each.ports
        },
    )
