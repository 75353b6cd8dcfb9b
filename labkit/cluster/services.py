"""Services of a scenario with every address and port allocated."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.addresses import Pool
from labkit.cluster.hosts import cidr
from labkit.cluster.model import (
    Ingress,
    IPMode,
    Network,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.cluster.object_names import ObjectName
from labkit.errors import UsageError
from labkit.manifest import kinds

HEADLESS: Final = "None"
FIRST_SERVICE: Final = 10
"""Cluster IPs are taken from here on; the first ones are the API server's and the DNS'."""
WITH_NODE_PORTS: Final = (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER)


@dataclass(frozen=True, slots=True)
class InUse:
    """The cluster IPs, node ports and health check ports that Services have."""

    addresses: Pool
    ports: Pool

    def copy(self) -> InUse:
        """Return the same, to be changed."""
        return InUse(self.addresses.copy(), self.ports.copy())

    def hold(self, services: Iterable[Service]) -> None:
        """Count what Services have."""
        for service in services:
            self.addresses.hold(_addresses(service))
            self.ports.hold(_ports(service))

    def release(self, services: Iterable[Service]) -> None:
        """Count what Services have no more."""
        for service in services:
            self.addresses.release(_addresses(service))
            self.ports.release(_ports(service))


def nothing_in_use(network: Network) -> InUse:
    """What is in use where there is no Service."""
    cluster_ips = network.service_cidr
    first, end = int(cluster_ips.network_address), int(cluster_ips.broadcast_address)
    low, high = network.node_port_range
    return InUse(Pool(range(first + FIRST_SERVICE, end)), Pool(range(low, high + 1)))


def build_services(
    manifests: Sequence[kinds.Service], previous: Mapping[ObjectName, Service], in_use: InUse
) -> list[Service]:
    """The Services that ``manifests`` describe, in their order; what they get is then in use.

    What a manifest leaves out is what ``previous`` has, else the first that is free.

    Args:
        manifests: Services to build.
        previous: Services of a running lab.
        in_use: what other Services have, and those of ``previous``.

    Raises:
        UsageError: no address or port is left.
    """
    allocator = _Allocator(previous, in_use)
    given = [_given(each) for each in manifests]
    for addresses, ports in given:
        in_use.addresses.hold(addresses)
        in_use.ports.hold(ports)
    built = [allocator.service(each) for each in manifests]
    in_use.hold(built)
    allocator.let_go()
    for addresses, ports in given:
        in_use.addresses.release(addresses)
        in_use.ports.release(ports)
    return built


def by_key(service: Service) -> ObjectName:
    """What Services are sorted by."""
    return service.key


class _Allocator:
    """Hands out cluster IPs and node ports."""

    def __init__(self, previous: Mapping[ObjectName, Service], in_use: InUse) -> None:
        self._previous = previous
        self._in_use = in_use
        self._taken_addresses: list[int] = []
        self._taken_ports: list[int] = []

    def let_go(self) -> None:
        """Hold what was handed out no more: the Services that have it do."""
        self._in_use.addresses.release(self._taken_addresses)
        self._in_use.ports.release(self._taken_ports)

    def service(self, manifest: kinds.Service) -> Service:
        """One Service with everything filled in."""
        spec, key = manifest.spec, _key(manifest)
        kind = ServiceType(spec.type)
        exposed = kind is not ServiceType.EXTERNAL_NAME
        balanced = kind is ServiceType.LOAD_BALANCER
        return Service(
            key=key,
            type=kind,
            cluster_ip=self._cluster_ip(key, spec) if exposed else None,
            ports=tuple(self._port(key, spec, port) for port in spec.ports),
            external_ips=tuple(map(IPv4Address, spec.external_ips)) if exposed else (),
            ingress=tuple(_ingress(manifest)) if balanced else (),
            source_ranges=tuple(cidr(text) for text in spec.load_balancer_source_ranges),
            external_traffic_policy=TrafficPolicy(spec.external_traffic_policy),
            internal_traffic_policy=TrafficPolicy(spec.internal_traffic_policy),
            affinity_timeout_s=_affinity(spec),
            health_check_node_port=self._health_check(key, spec) if balanced else None,
            traffic_distribution=spec.traffic_distribution,
            external_name=spec.external_name,
            labels=manifest.metadata.labels,
        )

    def _cluster_ip(self, key: ObjectName, spec: kinds.ServiceSpec) -> IPv4Address | None:
        if spec.cluster_ip == HEADLESS:
            return None
        if spec.cluster_ip:
            return IPv4Address(spec.cluster_ip)
        before = self._previous.get(key)
        if before and before.cluster_ip:
            return before.cluster_ip
        taken = self._in_use.addresses.take()
        if taken is None:
            what = f"the cluster IP of Service {key.shown}"
            raise UsageError(f"no address is left for {what}; widen the range it is taken from")
        self._taken_addresses.append(taken)
        return IPv4Address(taken)

    def _port(
        self, key: ObjectName, spec: kinds.ServiceSpec, port: kinds.ServicePort
    ) -> ServicePort:
        return ServicePort(
            name=port.name,
            protocol=Protocol(port.protocol),
            port=port.port,
            target_port=port.port if port.target_port is None else port.target_port,
            node_port=self._node_port(key, spec, port),
        )

    def _node_port(
        self, key: ObjectName, spec: kinds.ServiceSpec, port: kinds.ServicePort
    ) -> int | None:
        if ServiceType(spec.type) not in WITH_NODE_PORTS:
            return None
        if port.node_port:
            return port.node_port
        if spec.type == "LoadBalancer" and not spec.allocate_load_balancer_node_ports:
            return None
        before = self._previous.get(key)
        for old in before.ports if before else ():
            same = (old.name, old.protocol, old.port) == (port.name, port.protocol, port.port)
            if same and old.node_port:
                return old.node_port
        return self._free_port(f"the nodePort of Service {key.shown}")

    def _health_check(self, key: ObjectName, spec: kinds.ServiceSpec) -> int | None:
        if spec.external_traffic_policy == "Cluster":
            return None
        if spec.health_check_node_port:
            return spec.health_check_node_port
        before = self._previous.get(key)
        if before and before.health_check_node_port:
            return before.health_check_node_port
        return self._free_port(f"the healthCheckNodePort of Service {key.shown}")

    def _free_port(self, what: str) -> int:
        ports = self._in_use.ports
        taken = ports.take()
        if taken is None:
            low, high = ports.allowed.start, ports.allowed.stop - 1
            raise UsageError(f"no port of {low}-{high} is left for {what}; widen nodePortRange")
        self._taken_ports.append(taken)
        return taken


def _key(manifest: kinds.Service) -> ObjectName:
    return ObjectName(manifest.metadata.namespace, manifest.metadata.name)


def _given(manifest: kinds.Service) -> tuple[list[int], list[int]]:
    """The addresses and ports that a manifest asks for."""
    spec = manifest.spec
    given = spec.cluster_ip if spec.cluster_ip != HEADLESS else None
    ports = [port.node_port for port in spec.ports if port.node_port]
    if spec.health_check_node_port:
        ports.append(spec.health_check_node_port)
    return [int(IPv4Address(given))] if given else [], ports


def _addresses(service: Service) -> list[int]:
    return [int(service.cluster_ip)] if service.cluster_ip else []


def _ports(service: Service) -> list[int]:
    ports = [port.node_port for port in service.ports if port.node_port]
    return [*ports, service.health_check_node_port] if service.health_check_node_port else ports


def _ingress(manifest: kinds.Service) -> Iterator[Ingress]:
    for entry in manifest.status.load_balancer.ingress:
        if entry.ip:
            yield Ingress(ip=IPv4Address(entry.ip), ip_mode=IPMode(entry.ip_mode))


def _affinity(spec: kinds.ServiceSpec) -> int | None:
    if spec.session_affinity == "None":
        return None
    return spec.session_affinity_config.client_ip.timeout_seconds
