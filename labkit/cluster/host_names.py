"""Names of hosts and Services for programs in a lab's hosts: the text of /etc/hosts. Pure.

A Service's names are those that a cluster's DNS has for it, seen from Namespace default.
Source: hosts(5); kubernetes/dns docs/specification.md 1.1.0, sections 2.3 and 2.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import chain
from typing import Final

from labkit.cluster.lookup import LOCALHOST
from labkit.cluster.model import Cluster, Pod, Service
from labkit.cluster.object_names import DEFAULT_NAMESPACE, ObjectName
from labkit.manifest.difference import fresh

DOMAIN: Final = "cluster.local"
Named = tuple[list[str], list[str]]
"""Addresses, and the names that lead to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNames:
    """The lines of /etc/hosts, and the cluster that they are of."""

    cluster: Cluster
    hosts: Sequence[str]
    services: Mapping[ObjectName, str]
    headless: frozenset[ObjectName]
    """Services whose names lead to their endpoints."""
    others: Sequence[str]
    """Pods, and what the machine calls itself."""

    @property
    def text(self) -> str:
        """What the file says."""
        return "".join((*self.hosts, *self.services.values(), *self.others))


def host_names(cluster: Cluster, machine: str, before: HostNames | None = None) -> HostNames:
    """Return the /etc/hosts of every host of a lab.

    A name stands for one thing, as at a probe: a node or client before a Service, that before a
    pod. glibc would give the addresses of all (host.conf(5), multi).

    Args:
        cluster: the lab.
        machine: the machine's own /etc/hosts; its names of loopback addresses stay.
        before: what it was before the lab changed; what did not is used again.
    """
    taken: set[str] = set()
    hosts = _lines(_hosts(cluster), taken)
    known, services = cluster.service_by_key, dict(before.services) if before else {}
    gone, more = services.keys() - known.keys(), known.keys() - services.keys()
    for key in gone:
        del services[key]
    new = fresh(before.cluster.services if before else (), cluster.services)
    headless = (before.headless if before else frozenset()) - gone
    for service in (*new, *(known[key] for key in headless)):
        # No two Services share a name: theirs have no dots, and Namespaces' have none.
        names = [name for name in _names(*service.key) if name not in taken]
        services[service.key] = _line(_addresses(cluster, service), names) if names else ""
    headless -= {each.key for each in new}
    headless |= {each.key for each in new if each.cluster_ip is None}
    stayed = before and before.cluster.pods is cluster.pods and not gone and not more
    others = before.others if before and stayed else _lines(_others(cluster, machine), taken)
    return HostNames(
        cluster=cluster, hosts=hosts, services=services, headless=headless, others=others
    )


def _lines(named: Iterable[Named], taken: set[str]) -> list[str]:
    """The lines of some hosts with the names that nobody has, which are ``taken`` then."""
    lines: list[str] = []
    for addresses, names in named:
        if new := [name for name in names if name not in taken]:
            taken.update(new)
            lines.append(_line(addresses, new))
    return lines


def _line(addresses: Iterable[str], names: Iterable[str]) -> str:
    called = " ".join(names)
    return "".join(f"{address} {called}\n" for address in addresses)


def _others(cluster: Cluster, machine: str) -> Iterator[Named]:
    """What is called neither like a node or client nor like a Service, as far as it is not."""
    for addresses, names in chain(_pods(cluster), _loopback(machine)):
        yield addresses, [name for name in names if not _service_called(cluster, name)]


def _service_called(cluster: Cluster, name: str) -> Service | None:
    """The Service that has a name."""
    short, _, rest = name.partition(".")
    namespace, _, end = rest.partition(".")
    if end not in ("", "svc", f"svc.{DOMAIN}"):
        return None
    return cluster.service_by_key.get(ObjectName(namespace or DEFAULT_NAMESPACE, short))


def known_by(cluster: Cluster, name: str) -> Service | Pod | IPv4Address | None:
    """Return what a name of those stands for that are no node's or client's; None for nothing."""
    if name == "localhost":
        return LOCALHOST
    if service := _service_called(cluster, name):
        return service
    return next((pod for pod in cluster.pods if name == _pod_name(pod)), None)


def _loopback(machine: str) -> Iterator[Named]:
    for line in (f"{LOCALHOST} localhost", *machine.splitlines()):
        text = line.partition("#")[0].strip()
        if text.startswith("127."):
            address, *names = text.split()
            yield [address], names


def _hosts(cluster: Cluster) -> Iterator[Named]:
    for node in cluster.nodes:
        yield [str(node.address)], [node.name]
    for client in cluster.clients:
        yield [str(client.address)], [client.name]


def _addresses(cluster: Cluster, service: Service) -> list[str]:
    """A Service's cluster IP; the ready endpoints of a headless one."""
    if service.cluster_ip is not None:
        return [str(service.cluster_ip)]
    ready = {
        endpoint.address
        for port in service.ports
        for endpoint in cluster.endpoints.get(service.port_name(port), ())
        if endpoint.ready
    }
    return [str(address) for address in sorted(ready)]


def _names(namespace: str, name: str) -> list[str]:
    long = [f"{name}.{namespace}{end}" for end in ("", ".svc", f".svc.{DOMAIN}")]
    return [name, *long] if namespace == DEFAULT_NAMESPACE else long


def _pods(cluster: Cluster) -> Iterator[Named]:
    for pod in cluster.pods:
        yield [str(pod.address)], [_pod_name(pod)]


def _pod_name(pod: Pod) -> str:
    namespace, name = pod.key
    return name if namespace == DEFAULT_NAMESPACE else f"{name}.{namespace}"
