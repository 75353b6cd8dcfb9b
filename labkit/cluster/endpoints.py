"""Endpoints of every Service port: from selectors, as the EndpointSlice controller, or by hand.

Source: kubernetes v1.36 staging/src/k8s.io/endpointslice/utils.go (podToEndpoint) and
trafficdist/trafficdist.go (hints); pkg/proxy/endpointslicecache.go for hand-written slices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from labkit.cluster.addresses import ipv4_of
from labkit.cluster.model import Endpoint, Node, Pod, Service, ServicePort
from labkit.cluster.object_names import ObjectName, ServicePortName
from labkit.cluster.pod_index import PodIndex
from labkit.manifest import kinds

SAME_ZONE: Final = ("PreferClose", "PreferSameZone")
SAME_NODE: Final = "PreferSameNode"
NO_HINTS: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSource:
    """What endpoints are made from."""

    manifests: Mapping[ObjectName, kinds.Service]
    slices: Mapping[ObjectName, Sequence[kinds.EndpointSlice]]
    pods: PodIndex
    nodes: Mapping[str, Node]


def endpoints_of(
    service: Service, source: EndpointSource
) -> Iterator[tuple[ServicePortName, tuple[Endpoint, ...]]]:
    """The endpoints of each port of a Service, sorted as kube-proxy sorts them, by their text."""
    selector = source.manifests[service.key].spec.selector
    chosen = source.pods.selected(service.key.namespace, selector)
    for port in service.ports:
        # A Service with a selector can have slices of others too: proxies take all of them.
        by_text = dict(
            chain(_from_slices(service, port, source), _from_pods(service, port, chosen, source))
        )
        yield service.port_name(port), tuple(by_text[text] for text in sorted(by_text))


Shown = tuple[str, Endpoint]
"""An endpoint with its text, which says the same as its `str`."""


def _from_pods(
    service: Service, port: ServicePort, pods: Sequence[Pod], source: EndpointSource
) -> Iterator[Shown]:
    publish = source.manifests[service.key].spec.publish_not_ready_addresses
    for pod in pods:
        number = target_port(pod, port)
        if number is None:
            continue
        ready = publish or (pod.ready and not pod.terminating)
        zones, nodes = _hints(service, source.nodes[pod.node]) if ready else (None, None)
        endpoint = Endpoint(
            address=pod.address,
            port=number,
            node=pod.node,
            pod=pod.name,
            ready=ready,
            serving=pod.ready,
            terminating=pod.terminating,
            zone_hints=frozenset((zones,)) if zones else NO_HINTS,
            node_hints=frozenset((nodes,)) if nodes else NO_HINTS,
        )
        yield f"{source.pods.shown[pod.key]}:{number}", endpoint


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


def _from_slices(service: Service, port: ServicePort, source: EndpointSource) -> Iterator[Shown]:
    for piece in source.slices.get(service.key, ()):
        for number in _slice_ports(piece, port):
            for entry in piece.endpoints:
                # kube-proxy uses the first address; the API allows no second one in practice.
                text = entry.addresses[0]
                found = source.pods.at(text, port.protocol, number)
                yield f"{text}:{number}", _by_hand(service, entry, number, found)


def _slice_ports(piece: kinds.EndpointSlice, port: ServicePort) -> Iterator[int]:
    for declared in piece.ports:
        if (declared.name, declared.protocol) == (port.name, port.protocol) and declared.port:
            yield declared.port


def _by_hand(
    service: Service, entry: kinds.EndpointEntry, port: int, found: Pod | None
) -> Endpoint:
    conditions = entry.conditions
    return Endpoint(
        address=ipv4_of(entry.addresses[0]),
        port=port,
        node=entry.node_name,
        pod=_pod_name(service, entry, found),
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
