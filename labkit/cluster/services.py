"""Services of a scenario with every address and port allocated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.addresses import first_free_port, take, usable
from labkit.cluster.hosts import cidr
from labkit.cluster.model import (
    Ingress,
    IPMode,
    Network,
    ObjectName,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.manifest import kinds

HEADLESS: Final = "None"
FIRST_SERVICE: Final = 10
"""Cluster IPs are taken from here on; the first ones are the API server's and the DNS'."""
WITH_NODE_PORTS: Final = (ServiceType.NODE_PORT, ServiceType.LOAD_BALANCER)


def build_services(
    manifests: Sequence[kinds.Service], network: Network, previous: Mapping[ObjectName, Service]
) -> tuple[Service, ...]:
    """Every Service in the order of its Namespace and name.

    What a manifest leaves out is what ``previous`` has, else the first that is free, in the order
    of the file.
    """
    allocator = _Allocator(manifests, network, previous)
    return tuple(sorted((allocator.service(each) for each in manifests), key=_by_key))


def _by_key(service: Service) -> ObjectName:
    return service.key


class _Allocator:
    """Hands out cluster IPs and node ports; owns the sets of what is taken."""

    def __init__(
        self,
        manifests: Sequence[kinds.Service],
        network: Network,
        previous: Mapping[ObjectName, Service],
    ) -> None:
        self._previous = previous
        self._free = usable(network.service_cidr, first=FIRST_SERVICE)
        low, high = network.node_port_range
        self._allowed = range(low, high + 1)
        kept = [previous[key] for each in manifests if (key := _key(each)) in previous]
        self._addresses = {service.cluster_ip for service in kept if service.cluster_ip}
        self._addresses |= {
            IPv4Address(each.spec.cluster_ip)
            for each in manifests
            if each.spec.cluster_ip and each.spec.cluster_ip != HEADLESS
        }
        self._ports = {*_given_ports(manifests), *_kept_ports(kept)}

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
        return take(self._free, self._addresses, what=f"the cluster IP of Service {key.shown}")

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
        return first_free_port(
            self._allowed, self._ports, what=f"the nodePort of Service {key.shown}"
        )

    def _health_check(self, key: ObjectName, spec: kinds.ServiceSpec) -> int | None:
        if spec.external_traffic_policy == "Cluster":
            return None
        if spec.health_check_node_port:
            return spec.health_check_node_port
        before = self._previous.get(key)
        if before and before.health_check_node_port:
            return before.health_check_node_port
        return first_free_port(
            self._allowed, self._ports, what=f"the healthCheckNodePort of Service {key.shown}"
        )


def _key(manifest: kinds.Service) -> ObjectName:
    return ObjectName(manifest.metadata.namespace, manifest.metadata.name)


def _given_ports(manifests: Sequence[kinds.Service]) -> Iterator[int]:
    for manifest in manifests:
        yield from (port.node_port for port in manifest.spec.ports if port.node_port)
        if manifest.spec.health_check_node_port:
            yield manifest.spec.health_check_node_port


def _kept_ports(services: Sequence[Service]) -> Iterator[int]:
    for service in services:
        yield from (port.node_port for port in service.ports if port.node_port)
        if service.health_check_node_port:
            yield service.health_check_node_port


def _ingress(manifest: kinds.Service) -> Iterator[Ingress]:
    for entry in manifest.status.load_balancer.ingress:
        if entry.ip:
            yield Ingress(ip=IPv4Address(entry.ip), ip_mode=IPMode(entry.ip_mode))


def _affinity(spec: kinds.ServiceSpec) -> int | None:
    if spec.session_affinity == "None":
        return None
    return spec.session_affinity_config.client_ip.timeout_seconds
