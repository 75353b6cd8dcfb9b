"""Clusters to draw, of any size and with any names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import (
    Client,
    Cluster,
    Endpoint,
    KubeProxy,
    Network,
    Node,
    Pod,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.cluster.model import Protocol as Transport
from labkit.cluster.object_names import ObjectName

NETWORK = Network(
    lan=IPv4Network("192.168.0.0/22"),
    gateway=IPv4Address("192.168.3.254"),
    pod_cidr=IPv4Network("10.0.0.0/8"),
    service_cidr=IPv4Network("172.30.0.0/16"),
)
HTTP = ServicePort(name="http", protocol=Transport.TCP, port=80, target_port=80, node_port=30080)


def same(text: str) -> str:
    return text


def node(name: str, place: int, zone: str | None = None) -> Node:
    return Node(
        name=name,
        address=NETWORK.lan[place],
        pod_cidr=IPv4Network((int(NETWORK.pod_cidr[0]) + 256 * place, 24)),
        zone=zone,
    )


def pod(
    name: str,
    place: int,
    on: Node,
    *,
    ready: bool = True,
    terminating: bool = False,
    host_network: bool = False,
) -> Pod:
    return Pod(
        key=ObjectName("default", name),
        node=on.name,
        address=on.address if host_network else on.pod_cidr[place],
        host_network=host_network,
        ready=ready,
        terminating=terminating,
    )


def service(name: str, place: int, *ports: ServicePort) -> Service:
    return Service(
        key=ObjectName("default", name),
        type=ServiceType.NODE_PORT,
        cluster_ip=NETWORK.service_cidr[place],
        ports=ports or (HTTP,),
        external_traffic_policy=TrafficPolicy.LOCAL,
    )


def endpoint(of: Pod, *, ready: bool | None = None) -> Endpoint:
    serving = of.ready if ready is None else ready
    return Endpoint(
        address=of.address,
        port=80,
        node=of.node,
        pod=of.name,
        ready=serving and not of.terminating,
        serving=serving,
        terminating=of.terminating,
    )


def cluster_of(
    *,
    nodes: int = 2,
    pods: int = 2,
    services: int = 1,
    clients: int = 1,
    outside: int = 0,
    named: Callable[[str], str] = same,
) -> Cluster:
    """So many pods on each node; each Service leads to every n-th pod, the first to all."""
    hosts = [
        node(named(f"node-{place}"), place, zone=named("zone")) for place in range(1, nodes + 1)
    ]
    runs = [
        pod(
            named(f"pod-{place}-{host.pod_cidr[0]}"),
            place,
            host,
            ready=place % 5 != 0,
            terminating=place % 3 == 0,
            host_network=place % 7 == 0,
        )
        for host in hosts
        for place in range(2, pods + 2)
    ]
    kinds = [service(named(f"service-{place}"), place) for place in range(1, services + 1)]
    return cluster(
        nodes=hosts,
        pods=runs,
        services=kinds,
        led=[runs[place::services] if place else runs for place in range(services)],
        clients=[
            *(
                client(named(f"client-{place}"), NETWORK.lan[800 + place])
                for place in range(clients)
            ),
            *(
                client(named(f"far-{place}"), IPv4Address("203.0.113.1") + place)
                for place in range(outside)
            ),
        ],
        name=named("drawn"),
    )


def client(name: str, address: IPv4Address) -> Client:
    return Client(name=name, address=address)


def cluster(
    *,
    nodes: Sequence[Node],
    pods: Sequence[Pod] = (),
    services: Sequence[Service] = (),
    led: Sequence[Sequence[Pod]] = (),
    clients: Sequence[Client] = (),
    name: str = "drawn",
) -> Cluster:
    """A cluster whose Services lead, by each of their ports, to the pods of ``led``."""
    return Cluster(
        name=name,
        dataplane="iptables",
        network=NETWORK,
        kube_proxy=KubeProxy(cluster_cidr=NETWORK.pod_cidr),
        nodes=tuple(nodes),
        clients=tuple(clients),
        pods=tuple(pods),
        services=tuple(services),
        endpoints={
            each.port_name(port): tuple(map(endpoint, members))
            for each, members in zip(services, led, strict=True)
            for port in each.ports
        },
    )
