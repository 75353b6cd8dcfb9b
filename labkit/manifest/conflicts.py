"""What is right in each object and wrong between them: names, addresses and ports given twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, Problem
from labkit.manifest.scope import Scope, key_of, lab_of, replicas

K = TypeVar("K")
Claim = tuple[K, str, Loaded, Path]
"""What is claimed, the same in words, and who claims it where."""


def conflicts(objects: Sequence[Loaded], scope: Scope) -> Iterator[Problem]:
    """Everything that two objects claim."""
    yield from _twice(_names(objects), "give each object of a kind its own name")
    yield from _twice(_hosts(objects, scope), "name pods, nodes and clients differently")
    yield from _twice(_pod_ips(objects), "give each pod its own, or leave it out")
    yield from _twice(_cluster_ips(objects), "give each Service its own, or leave it out")
    yield from _twice(_node_ports(objects), "give each its own, or leave it out")
    yield from _twice(
        _host_ports(objects, scope), "pods on the host network share the node's ports"
    )


def _twice(claims: Iterator[Claim[K]], remedy: str) -> Iterator[Problem]:
    first: dict[K, Claim[K]] = {}
    for claim in claims:
        what, words, loaded, path = claim
        holder = first.setdefault(what, claim)
        if holder is not claim:
            place = holder[2].locate(holder[3])
            yield loaded.problem(Finding(path, f"{words} is taken at {place}", remedy))


def _names(objects: Sequence[Loaded]) -> Iterator[Claim[tuple[str, str, str]]]:
    for loaded in objects:
        key = key_of(loaded)
        if key.name and loaded.kind != "Lab":
            words = f"{loaded.kind} {key.shown if key.namespace else key.name}"
            yield (loaded.kind, *key), words, loaded, ("metadata", "name")


def _hosts(objects: Sequence[Loaded], scope: Scope) -> Iterator[Claim[str]]:
    """Names that reports print. Hosts against each other and Pods against Pods: seen to before."""
    claimed: set[str] = set()
    lab = lab_of(objects)
    hosts = [("nodes", *each) for each in enumerate(scope.nodes)]
    hosts += [("clients", *each) for each in enumerate(scope.clients)]
    for field, index, name in hosts:
        if name not in claimed:
            yield name, f"the name {name}", lab, ("spec", field, index, "name")
        claimed.add(name)
    seen: set[tuple[str, str]] = set()
    for loaded in objects:
        identity = (loaded.kind, key_of(loaded).shown)
        if identity not in seen:
            for name in _pod_names(loaded):
                yield name, f"the pod name {name}", loaded, ("metadata", "name")
        seen.add(identity)


def _pod_names(loaded: Loaded) -> list[str]:
    key = key_of(loaded)
    if isinstance(loaded.value, kinds.Workload):
        return [pod.key.shown for pod in replicas(key, loaded.value)]
    return [key.shown] if loaded.kind == "Pod" and key.name else []


def _pod_ips(objects: Sequence[Loaded]) -> Iterator[Claim[str]]:
    for loaded in objects:
        pod = loaded.value
        if isinstance(pod, kinds.Pod) and pod.status.pod_ip and not pod.spec.host_network:
            yield pod.status.pod_ip, f"podIP {pod.status.pod_ip}", loaded, ("status", "podIP")


def _cluster_ips(objects: Sequence[Loaded]) -> Iterator[Claim[str]]:
    for loaded in objects:
        value = loaded.value
        if isinstance(value, kinds.Service) and value.spec.cluster_ip:
            text = value.spec.cluster_ip
            if ipv4(text):
                yield text, f"clusterIP {text}", loaded, ("spec", "clusterIP")


def _node_ports(objects: Sequence[Loaded]) -> Iterator[Claim[tuple[str, int]]]:
    for loaded in objects:
        value = loaded.value
        if not isinstance(value, kinds.Service):
            continue
        for index, port in enumerate(value.spec.ports):
            if port.node_port:
                words = f"nodePort {port.node_port} {port.protocol}"
                path: Path = ("spec", "ports", index, "nodePort")
                yield (port.protocol, port.node_port), words, loaded, path
        health = value.spec.health_check_node_port
        if health:
            words = f"port {health} TCP of the nodes"
            yield ("TCP", health), words, loaded, ("spec", "healthCheckNodePort")


def _host_ports(objects: Sequence[Loaded], scope: Scope) -> Iterator[Claim[tuple[str, str, int]]]:
    """Ports of hostNetwork pods whose node is known, as the scheduler's NodePorts plugin counts."""
    only = scope.nodes[0] if len(scope.nodes) == 1 else None
    for loaded in objects:
        pod = loaded.value
        if not isinstance(pod, kinds.Pod) or not pod.spec.host_network:
            continue
        node = pod.spec.node_name or only
        for number, container in enumerate(pod.spec.containers if node else ()):
            for protocol, port, index in _first_of_each(container):
                words = f"port {port} {protocol} of node {node}"
                path = ("spec", "containers", number, "ports", index, "containerPort")
                yield (str(node), protocol, port), words, loaded, path


def _first_of_each(container: kinds.Container) -> Iterator[tuple[str, int, int]]:
    """A container may declare one port under two names."""
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(container.ports):
        found = (port.protocol, port.container_port)
        if found not in seen:
            seen.add(found)
            yield (*found, index)
