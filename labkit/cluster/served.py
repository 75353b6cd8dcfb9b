"""Ports that a cluster's pods listen on though no container declares them.

``containerPort`` only informs: in a real cluster programs listen where they like, and a Service
with a number for a targetPort reaches them. The lab's responder stands for such a program.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from labkit.cluster.endpoints import EndpointSource
from labkit.cluster.model import Container, ContainerPort, Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.manifest import kinds

_API_SERVER: Final = ObjectName("default", "kubernetes")
_API_SERVER_LABEL: Final = ("component", "kube-apiserver")
"""kubeadm's label of the static pods that the Service ``kubernetes`` leads to."""


class _Claim(NamedTuple):
    """A port of a pod, or for pods on the host network of their node."""

    owner: str
    protocol: Protocol
    port: int


def with_served_ports(source: EndpointSource, dumped: frozenset[ObjectName]) -> tuple[Pod, ...]:
    """The pods of ``source``; those ``dumped`` declare all that Services and slices send to them.

    A port of a node goes to the pod that declares it, else to the first that is sent to there.
    """
    holders: dict[_Claim, ObjectName] = {}
    for pod in source.pods.pods:
        for port in (port for container in pod.containers for port in container.ports):
            holders.setdefault(_claim(pod, port.protocol, port.port), pod.key)
    extra: defaultdict[ObjectName, list[ContainerPort]] = defaultdict(list)
    for pod, protocol, number in _sent_to(source):
        claim = _claim(pod, protocol, number)
        if pod.key in dumped and claim not in holders:
            holders[claim] = pod.key
            extra[pod.key].append(ContainerPort(port=number, protocol=protocol))
    return tuple(_declaring(pod, extra.get(pod.key, ())) for pod in source.pods.pods)


def asks_for_more(source: EndpointSource, dumped: frozenset[ObjectName]) -> bool:
    """Whether Services or slices of ``source`` send to a port that a pod ``dumped`` has not told.

    ``source`` may hold a part of them alone.
    """
    return any(
        pod.key in dumped and not _declares(pod, protocol, number)
        for pod, protocol, number in _sent_to(source)
    )


def _declares(pod: Pod, protocol: Protocol, number: int) -> bool:
    ports = (port for container in pod.containers for port in container.ports)
    return any((port.protocol, port.port) == (protocol, number) for port in ports)


def _claim(pod: Pod, protocol: Protocol, port: int) -> _Claim:
    return _Claim(f"node {pod.node}" if pod.host_network else str(pod.key), protocol, port)


def _declaring(pod: Pod, ports: Sequence[ContainerPort]) -> Pod:
    if not ports or not pod.containers:
        return pod
    first: Container = pod.containers[0]
    wider = replace(first, ports=(*first.ports, *ports))
    return replace(pod, containers=(wider, *pod.containers[1:]))


def _sent_to(source: EndpointSource) -> Iterator[tuple[Pod, Protocol, int]]:
    """Every pod and port that a Service or a slice names by number."""
    for key, manifest in source.manifests.items():
        pods = source.pods.selected(key.namespace, manifest.spec.selector)
        for port in manifest.spec.ports:
            number = port.port if port.target_port is None else port.target_port
            if isinstance(number, int):
                yield from ((pod, Protocol(port.protocol), number) for pod in pods)
    yield from _by_hand(source)


def _by_hand(source: EndpointSource) -> Iterator[tuple[Pod, Protocol, int]]:
    for key, pieces in source.slices.items():
        servers = _api_servers(source.pods.pods) if key == _API_SERVER else {}
        for piece in pieces:
            for address in _addresses(piece):
                if pod := servers.get(address) or source.pods.by_address.get(address):
                    for port in piece.ports:
                        if port.port:
                            yield pod, Protocol(port.protocol), port.port


def _api_servers(pods: Sequence[Pod]) -> Mapping[str, Pod]:
    name, value = _API_SERVER_LABEL
    servers = (each for each in pods if each.labels.get(name) == value and each.host_network)
    return {str(each.address): each for each in servers}


def _addresses(piece: kinds.EndpointSlice) -> Iterator[str]:
    yield from (entry.addresses[0] for entry in piece.endpoints)
