"""What is right in each object and wrong between them: names, addresses and ports given twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, Problem
from labkit.manifest.scope import Scope, lab_of, replicas

ANY: Final = "0.0.0.0"  # noqa: S104 - a hostIP that is every address
K = TypeVar("K")
Claim = tuple[K, str, Loaded, Path]
"""What is claimed, the same in words, and who claims it where."""


Claimed = tuple[str | int, ...]
"""A name, an address or a port that one object alone can have."""


def hosts_of(scope: Scope) -> set[Claimed]:
    """The names that nodes and clients have."""
    return {("host", name) for name in (*scope.nodes, *scope.clients)}


def claims_of(loaded: Loaded, scope: Scope) -> Iterator[Claimed]:
    """What an object claims. A port of a node is one, on whichever of its addresses."""
    one = (loaded,)
    yield from (("host", name) for name in _pod_names(loaded))
    yield from (("podIP", what) for what, _, _, _ in _pod_ips(one))
    yield from (("clusterIP", what) for what, _, _, _ in _cluster_ips(one))
    yield from (("nodePort", *what) for what, _, _, _ in _node_ports(one))
    for what, _, _, _ in _each_host_port(one, scope):
        yield "hostPort", what.node, what.protocol, what.port


def conflicts(objects: Sequence[Loaded], scope: Scope) -> Iterator[Problem]:
    """Everything that two objects claim."""
    yield from _twice(_names(objects), "give each object of a kind its own name")
    yield from _twice(_hosts(objects, scope), "name pods, nodes and clients differently")
    yield from _twice(_pod_ips(objects), "give each pod its own, or leave it out")
    yield from _twice(_cluster_ips(objects), "give each Service its own, or leave it out")
    yield from _twice(_node_ports(objects), "give each its own, or leave it out")
    yield from _twice(_host_ports(objects, scope), "pods share their node's ports")


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
        key = loaded.key
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
        identity = (loaded.kind, loaded.key.shown)
        if identity not in seen:
            for name in _pod_names(loaded):
                yield name, f"the pod name {name}", loaded, ("metadata", "name")
        seen.add(identity)


def _pod_names(loaded: Loaded) -> list[str]:
    key = loaded.key
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


class HostPort(NamedTuple):
    """A port of a node, on one of its addresses or on every one."""

    node: str
    protocol: str
    port: int
    address: str = ""


def _host_ports(objects: Sequence[Loaded], scope: Scope) -> Iterator[Claim[HostPort]]:
    """Ports of nodes, as the scheduler's NodePorts plugin counts them.

    The same port on two addresses is two ports, unless somebody has it on every address.
    """
    claims = tuple(_each_host_port(objects, scope))
    everywhere = {what for what, _words, _loaded, _path in claims if not what.address}
    for what, words, loaded, path in claims:
        whole = what._replace(address="")
        yield whole if whole in everywhere else what, words, loaded, path


def _each_host_port(objects: Sequence[Loaded], scope: Scope) -> Iterator[Claim[HostPort]]:
    """Every claim of a pod whose node is known."""
    only = scope.nodes[0] if len(scope.nodes) == 1 else None
    for loaded in objects:
        pod = loaded.value
        node = (pod.spec.node_name or only) if isinstance(pod, kinds.Pod) else None
        if not isinstance(pod, kinds.Pod) or node is None:
            continue
        field = "containerPort" if pod.spec.host_network else "hostPort"
        for number, container in enumerate(pod.spec.containers):
            for index, (port, address) in _first_of_each(container, pod.spec).items():
                protocol = container.ports[index].protocol
                words = f"port {port} {protocol} of node {node}"
                path = ("spec", "containers", number, "ports", index, field)
                yield HostPort(node, protocol, port, address), words, loaded, path


def _first_of_each(container: kinds.Container, pod: kinds.PodSpec) -> dict[int, tuple[int, str]]:
    """Port and address by the index in ``ports``; one port may be declared under two names."""
    found: dict[tuple[str, int, str], int] = {}
    for index, port in enumerate(container.ports):
        number = port.container_port if pod.host_network else port.host_port
        address = "" if pod.host_network or port.host_ip in (None, ANY) else str(port.host_ip)
        if number:
            found.setdefault((port.protocol, number, address), index)
    return {index: (number, address) for (_, number, address), index in found.items()}
