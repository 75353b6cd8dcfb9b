"""Which endpoints a node uses for a Service port, and what its health check ports say.

Source: kubernetes v1.36 pkg/proxy/topology.go, CategorizeEndpoints; pkg/proxy/serviceport.go,
UsesClusterEndpoints and UsesLocalEndpoints; pkg/proxy/healthcheck/service_health.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, IPMode, Node, Service, ServicePort, ServiceType
from labkit.cluster.object_names import ObjectName

IGNORED_BY_PROXIES: Final = (
    "service.kubernetes.io/service-proxy-name",
    "service.kubernetes.io/headless",
)
"""A Service with one of these labels is somebody else's: kube-proxy does not list it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorized:
    """The endpoints of one Service port as one node sees them."""

    cluster: tuple[Endpoint, ...] = ()
    """For traffic under a Cluster policy."""
    local: tuple[Endpoint, ...] = ()
    """For traffic under a Local policy."""
    reachable: tuple[Endpoint, ...] = ()
    """Both together, each once."""
    has_any: bool = False
    """Whether any node has a usable endpoint: without one the Service is rejected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """One healthCheckNodePort on one node."""

    service: ObjectName
    port: int
    local_endpoints: int
    """Ready endpoints on this node; without one the answer is 503."""


class _Topology(Enum):
    """Which hints narrow the choice (KEP-2433, KEP-3015)."""

    EVERYWHERE = 0
    SAME_ZONE = 1
    SAME_NODE = 2


def is_proxied(service: Service) -> bool:
    """Whether proxies make rules for a Service: it has a cluster IP and is nobody else's."""
    return (
        service.cluster_ip is not None
        and service.type is not ServiceType.EXTERNAL_NAME
        and not any(label in service.labels for label in IGNORED_BY_PROXIES)
    )


def is_externally_accessible(service: Service, port: ServicePort) -> bool:
    """Whether a port has an address that outside clients may use."""
    return bool(port.node_port or load_balancer_ips(service) or service.external_ips)


def load_balancer_ips(service: Service) -> tuple[IPv4Address, ...]:
    """LoadBalancer addresses that nodes serve; ``ipMode: Proxy`` ones they do not (KEP-1860)."""
    return tuple(each.ip for each in service.ingress if each.ip_mode is IPMode.VIP)


def uses_cluster_endpoints(service: Service, port: ServicePort) -> bool:
    """Whether any traffic may go anywhere.

    A port with externalTrafficPolicy Local needs this too: in-cluster traffic to its external
    addresses is short-circuited to every endpoint.
    """
    return not service.internal_policy_local or is_externally_accessible(service, port)


def uses_local_endpoints(service: Service, port: ServicePort) -> bool:
    """Whether any traffic must stay on the node."""
    return service.internal_policy_local or (
        service.external_policy_local and is_externally_accessible(service, port)
    )


def categorize(
    service: Service, port: ServicePort, endpoints: Sequence[Endpoint], node: Node
) -> Categorized:
    """Return the endpoints that ``node`` uses, in their order.

    Ready endpoints come first; where there is none, those that terminate and still serve do
    (KEP-1669).
    """
    topology = _Topology.EVERYWHERE
    cluster: tuple[Endpoint, ...] = ()
    if uses_cluster_endpoints(service, port):
        topology = _topology(endpoints, node)
        cluster = _ready_or_serving(each for each in endpoints if _allows(each, topology, node))
        # The fallback looks everywhere: hints are for ready endpoints.
        cluster = cluster if any(each.ready for each in cluster) else _ready_or_serving(endpoints)
    if not uses_local_endpoints(service, port):
        return Categorized(cluster=cluster, reachable=cluster, has_any=bool(cluster))
    local = _ready_or_serving(each for each in endpoints if each.node == node.name)
    has_any = any(each.ready or _still_serves(each) for each in endpoints)
    if not uses_cluster_endpoints(service, port):
        return Categorized(local=local, reachable=local, has_any=has_any)
    used = {*cluster, *local}
    reachable = tuple(each for each in endpoints if each in used)
    return Categorized(cluster=cluster, local=local, reachable=reachable, has_any=has_any)


def health_checks(cluster: Cluster, node: Node) -> tuple[HealthCheck, ...]:
    """Return the health check ports that ``node`` serves, in the order of the Services."""
    return tuple(
        HealthCheck(
            service=service.key,
            port=service.health_check_node_port,
            local_endpoints=_local_ready(cluster, service, node),
        )
        for service in cluster.health_checked
        if service.health_check_node_port is not None and is_proxied(service)
    )


def _local_ready(cluster: Cluster, service: Service, node: Node) -> int:
    """Ready addresses on the node: an address counts once, whatever its ports."""
    return len(
        {
            endpoint.address
            for port in service.ports
            for endpoint in cluster.endpoints.get(service.port_name(port), ())
            if endpoint.ready and endpoint.node == node.name
        }
    )


def _ready_or_serving(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    candidates = tuple(endpoints)
    ready = tuple(each for each in candidates if each.ready)
    return ready or tuple(each for each in candidates if _still_serves(each))


def _still_serves(endpoint: Endpoint) -> bool:
    return endpoint.serving and endpoint.terminating


def _topology(endpoints: Sequence[Endpoint], node: Node) -> _Topology:
    """Hints count only if every ready endpoint has some and one of them is meant for this node."""
    ready = [each for each in endpoints if each.ready]
    by_node = [each.node_hints for each in ready]
    if all(by_node) and any(node.name in hints for hints in by_node):
        return _Topology.SAME_NODE
    by_zone = [each.zone_hints for each in ready]
    if all(by_zone) and any(node.zone in hints for hints in by_zone):
        return _Topology.SAME_ZONE
    return _Topology.EVERYWHERE


def _allows(endpoint: Endpoint, topology: _Topology, node: Node) -> bool:
    if topology is _Topology.SAME_NODE:
        return node.name in endpoint.node_hints
    if topology is _Topology.SAME_ZONE:
        return node.zone in endpoint.zone_hints
    return True
