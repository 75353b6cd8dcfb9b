"""What a picture says in words: of the lab, a Service, a pod. Pure; no format's escapes yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple

from labkit.cluster.model import Client, IPMode, Node, PodNetwork, Service, ServicePort, ServiceType
from labkit.report.graph.measure import cells, fitted
from labkit.report.graph.topology import NumberedService, Spot, State, Topology
from labkit.report.text import UNICODE, clean, plural, shortened

NAMES_SHOWN: Final = 6
EXTERNAL_TYPES: Final = (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER)


class Weight(Enum):
    """How much a fact stands out."""

    PLAIN = auto()
    QUIET = auto()
    """A default."""
    STRONG = auto()
    """What is not the default, and decides what becomes of flows."""
    WARNING = auto()


class Fact(NamedTuple):
    """One thing to know about a Service, on a line of its own."""

    text: str
    weight: Weight = Weight.PLAIN


def setting(topology: Topology) -> tuple[str, ...]:
    """Return the data plane and the ranges of addresses."""
    cluster, network = topology.cluster, topology.cluster.network
    without = [f"without {', '.join(sorted(cluster.without))}"] if cluster.without else []
    return (
        f"data plane {clean(cluster.dataplane)}",
        *without,
        f"pods {network.pod_cidr} by {network.pod_network}",
        f"ClusterIPs {network.service_cidr}",
    )


def counts(topology: Topology) -> tuple[str, ...]:
    """Return ``2 nodes``, ``5 pods``, ``1 Service``, ``1 client``."""
    cluster = topology.cluster
    return (
        plural(len(cluster.nodes), "node"),
        plural(len(cluster.pods), "pod"),
        plural(len(cluster.services), "Service"),
        plural(len(cluster.clients), "client"),
    )


def kind_of(service: Service) -> str:
    """Return the Service's type, and whether it is headless."""
    headless = service.type is ServiceType.CLUSTER_IP and service.cluster_ip is None
    return f"type {service.type}{', headless' if headless else ''}"


def facts(numbered: NumberedService) -> tuple[Fact, ...]:
    """Return what there is to know of a Service but its endpoints."""
    service = numbered.service
    return (*addresses(service), *ports(service), *policies(service))


def addresses(service: Service) -> Iterator[Fact]:
    """Yield where clients reach a Service."""
    if service.type is ServiceType.EXTERNAL_NAME:
        yield Fact(f"externalName {clean(service.external_name or '')}")
    elif service.cluster_ip is not None:
        yield Fact(f"ClusterIP {service.cluster_ip}")
    if service.external_ips:
        yield Fact(f"externalIPs {', '.join(map(str, service.external_ips))}")
    for each in service.ingress:
        mode = f", ipMode {each.ip_mode}" if each.ip_mode is not IPMode.VIP else ""
        yield Fact(f"LoadBalancer {each.ip}{mode}")


def ports(service: Service) -> Iterator[Fact]:
    """Yield a line for each port."""
    return (Fact(_port(port)) for port in service.ports)


def _port(port: ServicePort) -> str:
    name = f"{clean(port.name)} " if port.name else ""
    node_port = f", nodePort {port.node_port}" if port.node_port else ""
    return f"{name}{port.port}/{port.protocol} → {clean(str(port.target_port))}{node_port}"


def policies(service: Service) -> Iterator[Fact]:
    """Yield the fields that decide which endpoints a flow can reach, and as whom."""
    if service.type in EXTERNAL_TYPES or service.external_ips:
        weight = Weight.STRONG if service.external_policy_local else Weight.QUIET
        yield Fact(f"externalTrafficPolicy {service.external_traffic_policy}", weight)
    if service.cluster_ip is not None:
        weight = Weight.STRONG if service.internal_policy_local else Weight.QUIET
        yield Fact(f"internalTrafficPolicy {service.internal_traffic_policy}", weight)
    if service.affinity_timeout_s is not None:
        yield Fact(f"sessionAffinity ClientIP, {service.affinity_timeout_s} s", Weight.STRONG)
    if service.traffic_distribution:
        yield Fact(f"trafficDistribution {clean(service.traffic_distribution)}", Weight.STRONG)
    if service.source_ranges:
        ranges = ", ".join(map(str, service.source_ranges))
        yield Fact(f"loadBalancerSourceRanges {ranges}", Weight.STRONG)
    if service.health_check_node_port:
        yield Fact(f"healthCheckNodePort {service.health_check_node_port}")


def endpoint_fact(numbered: NumberedService, limit: int | None = NAMES_SHOWN) -> Fact:
    """Return how many endpoints a Service has, and the first of them by name."""
    if numbered.service.type is ServiceType.EXTERNAL_NAME:
        return Fact("a DNS name, no endpoints", Weight.QUIET)
    found = numbered.endpoints
    if not found:
        return Fact("no endpoints", Weight.WARNING)
    states = Counter(each.state for each in found)
    # One state for all is said once.
    said = "" if len(states) > 1 else _unless_ready(next(iter(states)))
    names = [
        clean(each.name) + (_unless_ready(each.state) if len(states) > 1 else "") for each in found
    ]
    weight = Weight.PLAIN if State.READY in states else Weight.WARNING
    listed = ", ".join(shortened(names, UNICODE, limit))
    return Fact(f"{plural(len(found), 'endpoint')}{said}: {listed}", weight)


def _unless_ready(state: State) -> str:
    return "" if state is State.READY else f" ({state})"


def node_lines(node: Node, network: PodNetwork) -> tuple[str, ...]:
    """Return the node's devices but ``cni0``, and its own firewall if it has one."""
    overlay = (f"flannel.1 {node.vxlan_ip}",) if network is PodNetwork.VXLAN else ()
    firewall = ("inputPolicy DROP",) if node.drops_input else ()
    return (f"eth0 {node.address}", *overlay, *firewall)


def bridge_line(node: Node) -> str:
    """Return ``cni0 10.244.1.1/24``."""
    return f"cni0 {node.bridge_ip}/{node.pod_cidr.prefixlen}"


def client_lines(client: Client) -> tuple[str, ...]:
    """Return a client's address and its routes."""
    routes = (f"{route.to} via {route.via}" for route in client.routes)
    return (f"eth0 {client.address}", *routes)


def spot_title(spot: Spot, room: int) -> str:
    """Return the names of a spot's pods, or the first and how many more if there is no room."""
    names = [clean(pod.name) for pod in spot.pods]
    together = ", ".join(names[:NAMES_SHOWN])
    if len(names) <= NAMES_SHOWN and cells(together) <= room:
        return together
    end = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return fitted(names[0], max(room - len(end), 1)) + end


def spot_line(spot: Spot) -> str:
    """Return a pod's address, or how many pods there are; and their state unless it is ready."""
    several = f"{len(spot.pods)} pods" if len(spot.pods) > 1 else ""
    where = "host network" if spot.host_network else "" if several else str(spot.pods[0].address)
    state = "" if spot.state is State.READY else str(spot.state)
    return ", ".join(filter(None, (several, where, state)))


def spot_names(spot: Spot, services: Sequence[NumberedService]) -> str:
    """Return every pod of a spot with its address, and the Services that lead there."""
    pods = ", ".join(f"{clean(pod.name)} {pod.address}" for pod in spot.pods)
    network = "on the host network, " if spot.host_network else ""
    led = led_by(spot, services)
    return f"{pods}: {network}{spot.state}; {f'endpoint of {led}' if led else 'no endpoint'}"


def led_by(spot: Spot, services: Sequence[NumberedService]) -> str:
    """Return the names of the Services that lead to a spot."""
    names = (
        clean(services[number - 1].name) + _unless_ready(state) for number, state in spot.services
    )
    return ", ".join(names)


def service_names(numbered: NumberedService) -> str:
    """Return everything that there is to know of a Service."""
    said = [fact.text for fact in (*facts(numbered), endpoint_fact(numbered, limit=None))]
    return f"Service {clean(numbered.name)}, {'; '.join([kind_of(numbered.service), *said])}"


def description(topology: Topology) -> Iterator[str]:
    """Yield the whole picture in sentences, for who cannot see it."""
    cluster = topology.cluster
    network = cluster.network
    yield f"{', '.join(counts(topology))}; data plane {clean(cluster.dataplane)}."
    yield f"The LAN is {network.lan}, its router {network.gateway}."
    for client in cluster.clients:
        where = "on the LAN" if client.address in network.lan else "behind the router"
        yield f"Client {clean(client.name)}, {client.address}, is {where}."
    for each in topology.nodes:
        pods = "; ".join(spot_names(spot, topology.services) for spot in each.spots)
        lines = ", ".join(node_lines(each.node, network.pod_network))
        name = clean(each.node.name)
        yield f"Node {name}, {lines}, {bridge_line(each.node)}: {pods or 'no pods'}."
    for numbered in topology.services:
        yield f"{service_names(numbered)}."
