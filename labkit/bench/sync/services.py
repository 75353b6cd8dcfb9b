"""A node with many Services, and the clusters that it becomes. Pure.

Which pods a Service leads to is made up from a seed: by SHA-256, so the same for every Python.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Final

from labkit.cluster.model import (
    Client,
    Cluster,
    Container,
    ContainerPort,
    Endpoint,
    KubeProxy,
    Network,
    Node,
    Pod,
    RealKubeProxy,
    Route,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.cluster.model import Protocol as TransportProtocol
from labkit.cluster.object_names import ObjectName

LAN: Final = IPv4Network("192.168.0.0/24")
PODS: Final = IPv4Network("10.244.0.0/16")
SERVICES: Final = IPv4Network("10.96.0.0/12")
PORT: Final = 80
CALLER: Final = "caller"
"""The pod that connects; no Service leads to it."""
SERVERS: Final = 12
ENDPOINTS: Final = 3


def service_cluster(count: int, *, seed: int, nodes: int = 1, node_ports: bool = False) -> Cluster:
    """Nodes, a client, thirteen pods, and so many Services with three endpoints each.

    Args:
        count: how many Services.
        seed: of which pods they lead to.
        nodes: how many nodes; the pods are spread over them.
        node_ports: whether each Service has a NodePort, too.
    """
    cidrs = list(PODS.subnets(new_prefix=24))[1 : nodes + 1]
    every = tuple(
        Node(name=f"node{number}", address=LAN[number], pod_cidr=cidr)
        for number, cidr in enumerate(cidrs, 1)
    )
    caller = _pod(every[0], CALLER, 2)
    servers = [
        _pod(every[number % nodes], f"web-{number}", 3 + number) for number in range(SERVERS)
    ]
    services = tuple(_service(number, node_port=node_ports) for number in range(count))
    routes = (
        Route(to=SERVICES, via=every[0].address),
        *(Route(to=node.pod_cidr, via=node.address) for node in every),
    )
    return Cluster(
        name="bench",
        dataplane="none",
        network=Network(
            lan=LAN,
            gateway=LAN.broadcast_address - 1,
            pod_cidr=PODS,
            service_cidr=SERVICES,
        ),
        kube_proxy=KubeProxy(cluster_cidr=PODS),
        nodes=every,
        clients=(Client(name="client", address=LAN[100], routes=routes),),
        pods=(caller, *servers),
        services=services,
        endpoints={
            service.port_name(service.ports[0]): _endpoints(servers, number, seed)
            for number, service in enumerate(services)
        },
    )


def with_responders(cluster: Cluster) -> Cluster:
    """The same with a responder in each pod."""
    container = Container(name="web", ports=(ContainerPort(port=PORT),))
    pods = tuple(replace(pod, containers=(container,)) for pod in cluster.pods)
    return replace(cluster, pods=pods)


def without_services(cluster: Cluster) -> Cluster:
    """The same hosts alone."""
    return replace(cluster, services=(), endpoints={})


def under(cluster: Cluster, dataplane: str, real: RealKubeProxy | None = None) -> Cluster:
    """The same under a data plane."""
    return replace(cluster, dataplane=dataplane, real_kube_proxy=real)


def with_one_more(cluster: Cluster) -> Cluster:
    """The same with one Service more, the last; the others are the same objects."""
    new = _service(len(cluster.services))
    endpoints = next(iter(cluster.endpoints.values()))
    return replace(
        cluster,
        services=(*cluster.services, new),
        endpoints={**cluster.endpoints, new.port_name(new.ports[0]): endpoints},
    )


def with_another_endpoint(cluster: Cluster) -> Cluster:
    """The same, but the Service in the middle leads to another pod in one place."""
    service = cluster.services[len(cluster.services) // 2]
    name = service.port_name(service.ports[0])
    before = cluster.endpoints[name]
    taken = {each.address for each in before}
    free = next(pod for pod in cluster.pods if pod.name != CALLER and pod.address not in taken)
    after = tuple(sorted((*before[1:], _endpoint(free)), key=lambda each: each.address))
    return replace(cluster, endpoints={**cluster.endpoints, name: after})


def _pod(node: Node, name: str, host: int) -> Pod:
    return Pod(
        key=ObjectName("default", name),
        node=node.name,
        address=node.pod_cidr[host],
        interface=f"veth-{name}",
    )


def _service(number: int, *, node_port: bool = False) -> Service:
    return Service(
        key=ObjectName("default", f"service-{number:05}"),
        type=ServiceType.NODE_PORT if node_port else ServiceType.CLUSTER_IP,
        cluster_ip=SERVICES[number + 10],
        ports=(
            ServicePort(
                name="http",
                protocol=TransportProtocol.TCP,
                port=PORT,
                target_port=PORT,
                node_port=30_000 + number if node_port else None,
            ),
        ),
    )


def _endpoints(servers: list[Pod], number: int, seed: int) -> tuple[Endpoint, ...]:
    """Three of the servers, by address as the API's EndpointSlices are read."""

    def rank(pod: Pod) -> bytes:
        return hashlib.sha256(f"{seed} {number} {pod.name}".encode()).digest()

    drawn = sorted(servers, key=rank)[:ENDPOINTS]
    return tuple(_endpoint(pod) for pod in sorted(drawn, key=lambda pod: pod.address))


def _endpoint(pod: Pod) -> Endpoint:
    return Endpoint(address=pod.address, port=PORT, node=pod.node, pod=pod.name)
