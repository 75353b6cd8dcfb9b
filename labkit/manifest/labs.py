"""The Lab of a scenario that has none, or that leaves things out: made from what else there is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4
from labkit.manifest.lab_hosts import Host
from labkit.manifest.validate_service import HEADLESS

_CLIENT = "client"


def bare(path: str) -> kinds.Lab:
    """A Lab that says nothing but its name, which is its file's."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(path).stem.lower()).strip("-")
    name = stem[:63].rstrip("-") or "lab"
    return kinds.Lab(metadata=kinds.LabMeta(name=name))


def made_client(
    hosts: Sequence[Host], pods: Sequence[kinds.Pod], services: Sequence[kinds.Service]
) -> kinds.LabClient:
    """A client for a cluster: with a name that nobody has, and ways to the external addresses.

    In a cluster a load balancer, BGP or ARP brings traffic for an external address to some node.
    Here a route does: to the first ready node, and for externalTrafficPolicy Local to the first
    that has a ready pod of the Service.
    """
    names = {host.name for host in hosts} | {pod.metadata.name for pod in pods}
    numbered = (f"{_CLIENT}-{number}" for number in range(2, len(names) + 3))
    name = next(each for each in (_CLIENT, *numbered) if each not in names)
    own = {str(host.address) for host in hosts}
    ways: dict[str, kinds.ClientRoute] = {}
    for service in services:
        addresses = [each for each in external_addresses(service) if each not in own]
        if addresses:
            via = _entrance(service, hosts, pods)
            for text in addresses:
                ways.setdefault(text, kinds.ClientRoute(to=f"{text}/32", via=via))
    return kinds.LabClient(name=name, routes=list(ways.values()))


def external_addresses(service: kinds.Service) -> Iterator[str]:
    """The addresses outside the cluster that proxies serve for a Service (KEP-1860)."""
    yield from (text for text in service.spec.external_ips if ipv4(text))
    for each in service.status.load_balancer.ingress:
        if each.ip and ipv4(each.ip) and each.ip_mode == "VIP":
            yield each.ip


def _entrance(service: kinds.Service, hosts: Sequence[Host], pods: Iterable[kinds.Pod]) -> str:
    ready = [host.name for host in hosts if host.ready] or [hosts[0].name]
    if service.spec.external_traffic_policy == "Local":
        own = {pod.spec.node_name for pod in pods if _answers(pod, service)}
        return next((name for name in ready if name in own), ready[0])
    return ready[0]


def _answers(pod: kinds.Pod, service: kinds.Service) -> bool:
    selector = service.spec.selector
    here = pod.metadata.namespace == service.metadata.namespace
    selected = selector is not None and selector.items() <= pod.metadata.labels.items()
    conditions = {each.type: each.status for each in pod.status.conditions}
    return bool(selector) and here and selected and conditions.get("Ready", "True") == "True"


def node_port_range(text: str, services: Iterable[kinds.Service]) -> str:
    """The range of NodePorts, made as wide as a cluster's Services need."""
    low, high = (int(part) for part in text.split("-"))
    for service in services:
        ports = [port.node_port for port in service.spec.ports]
        for port in (*ports, service.spec.health_check_node_port):
            if port:
                low, high = min(low, port), max(high, port)
    return f"{low}-{high}"


def cluster_ip_of(service: kinds.Service) -> tuple[str | None, str]:
    """A Service's cluster IP, and what it says in its place; empty if it has none."""
    spec = service.spec
    given = [text for text in (spec.cluster_ip, *spec.cluster_ips) if text and text != HEADLESS]
    if spec.cluster_ip == HEADLESS or not given:
        return None, ""
    return next((text for text in given if ipv4(text)), None), given[0]
