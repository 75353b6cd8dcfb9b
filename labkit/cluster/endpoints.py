"""Endpoints of every Service port: from selectors, as the EndpointSlice controller, or by hand.

Source: kubernetes v1.36 staging/src/k8s.io/endpointslice/utils.go (podToEndpoint) and
trafficdist/trafficdist.go (hints); pkg/proxy/endpointslicecache.go for hand-written slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import chain
from typing import Final

from labkit.cluster.model import (
    Endpoint,
    Node,
    ObjectName,
    Pod,
    Protocol,
    Service,
    ServicePort,
    ServicePortName,
)
from labkit.manifest import kinds

SERVICE_LABEL: Final = "kubernetes.io/service-name"
SAME_ZONE: Final = ("PreferClose", "PreferSameZone")
SAME_NODE: Final = "PreferSameNode"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSource:
    """What endpoints are made from."""

    manifests: Mapping[ObjectName, kinds.Service]
    slices: Mapping[ObjectName, Sequence[kinds.EndpointSlice]]
    pods: Sequence[Pod]
    nodes: Mapping[str, Node]


def build_endpoints(
    services: Sequence[Service], source: EndpointSource
) -> Mapping[ServicePortName, tuple[Endpoint, ...]]:
    """The endpoints of each Service port, sorted as kube-proxy sorts them, by their text."""
    found: dict[ServicePortName, tuple[Endpoint, ...]] = {}
    for service in services:
        selector = source.manifests[service.key].spec.selector
        chosen = selected(service.key.namespace, selector, source.pods)
        for port in service.ports:
            # A Service with a selector can have slices of others too: proxies take all of them.
            endpoints = chain(
                _from_slices(service, port, source), _from_pods(service, port, chosen, source)
            )
            unique = {str(endpoint): endpoint for endpoint in endpoints}
            found[service.port_name(port)] = tuple(unique[text] for text in sorted(unique))
    return found


def selected(
    namespace: str, selector: Mapping[str, str] | None, pods: Sequence[Pod]
) -> Sequence[Pod]:
    """The pods that the selector of a Service in ``namespace`` means; none without a selector."""
    if not selector:
        return ()
    return [
        pod
        for pod in pods
        if pod.key.namespace == namespace and selector.items() <= pod.labels.items()
    ]


def _from_pods(
    service: Service, port: ServicePort, pods: Sequence[Pod], source: EndpointSource
) -> Iterator[Endpoint]:
    publish = source.manifests[service.key].spec.publish_not_ready_addresses
    for pod in pods:
        number = target_port(pod, port)
        if number is None:
            continue
        ready = publish or (pod.ready and not pod.terminating)
        zones, nodes = _hints(service, source.nodes[pod.node]) if ready else (None, None)
        yield Endpoint(
            address=pod.address,
            port=number,
            node=pod.node,
            pod=pod.name,
            ready=ready,
            serving=pod.ready,
            terminating=pod.terminating,
            zone_hints=frozenset({zones} if zones else ()),
            node_hints=frozenset({nodes} if nodes else ()),
        )


def target_port(pod: Pod, port: ServicePort) -> int | None:
    """The number that a Service port's targetPort means in ``pod``; None if it names none."""
    if isinstance(port.target_port, int):
        return port.target_port
    for container in pod.containers:
        for declared in container.ports:
            if (declared.name, declared.protocol) == (port.target_port, port.protocol):
                return declared.port
    return None


def _hints(service: Service, node: Node) -> tuple[str | None, str | None]:
    """The zone and node that an endpoint is meant for (KEP-2433, KEP-3015)."""
    if service.traffic_distribution in SAME_ZONE:
        return node.zone, None
    if service.traffic_distribution == SAME_NODE:
        return node.zone, node.name
    return None, None


def _from_slices(service: Service, port: ServicePort, source: EndpointSource) -> Iterator[Endpoint]:
    for piece in source.slices.get(service.key, ()):
        for number in _slice_ports(piece, port):
            pods = _pods_at(source.pods, port.protocol, number)
            for entry in piece.endpoints:
                yield _by_hand(service, entry, number, pods)


def _pods_at(pods: Sequence[Pod], protocol: Protocol, port: int) -> Mapping[IPv4Address, Pod]:
    """Pods by address; at a node's address that on the host network which declares the port."""
    return {
        pod.address: pod
        for pod in pods
        if not pod.host_network
        or any(
            (declared.port, declared.protocol) == (port, protocol)
            for container in pod.containers
            for declared in container.ports
        )
    }


def _slice_ports(piece: kinds.EndpointSlice, port: ServicePort) -> Iterator[int]:
    for declared in piece.ports:
        if (declared.name, declared.protocol) == (port.name, port.protocol) and declared.port:
            yield declared.port


def _by_hand(
    service: Service,
    entry: kinds.EndpointEntry,
    port: int,
    pods: Mapping[IPv4Address, Pod],
) -> Endpoint:
    # kube-proxy uses an endpoint's first address; the API allows no second one in practice.
    address = IPv4Address(entry.addresses[0])
    conditions = entry.conditions
    return Endpoint(
        address=address,
        port=port,
        node=entry.node_name,
        pod=_pod_name(service, entry, pods.get(address)),
        # A condition that is not said counts as true, in the slice cache of kube-proxy too.
        ready=conditions.ready is not False,
        serving=conditions.serving is not False,
        terminating=bool(conditions.terminating),
        zone_hints=frozenset(hint.name for hint in entry.hints.for_zones),
        node_hints=frozenset(hint.name for hint in entry.hints.for_nodes),
    )


def _pod_name(service: Service, entry: kinds.EndpointEntry, found: Pod | None) -> str | None:
    target = entry.target_ref
    if target and target.kind == "Pod" and target.name:
        return ObjectName(target.namespace or service.key.namespace, target.name).shown
    return found.name if found else None
