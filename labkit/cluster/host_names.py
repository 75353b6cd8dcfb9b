"""Names of hosts and Services for programs in a lab's hosts: the text of /etc/hosts. Pure.

A Service's names are those that a cluster's DNS has for it, seen from Namespace default.
Source: hosts(5); kubernetes/dns docs/specification.md 1.1.0, sections 2.3 and 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.lookup import LOCALHOST
from labkit.cluster.model import DEFAULT_NAMESPACE, Cluster, Pod, Service

DOMAIN: Final = "cluster.local"


def hosts_file(cluster: Cluster, machine: str) -> str:
    """Return the /etc/hosts of every host of a lab.

    A name stands for one thing, as at a probe: a node or client before a Service, that before a
    pod. glibc would give the addresses of all (host.conf(5), multi).

    Args:
        cluster: the lab.
        machine: the machine's own /etc/hosts; its names of loopback addresses stay.
    """
    lines: list[str] = []
    taken: set[str] = set()
    own = (*_hosts(cluster), *_services(cluster), *_pods(cluster))
    for addresses, names in (*own, *_loopback(machine)):
        if new := [name for name in names if name not in taken]:
            taken.update(new)
            lines += [f"{address} {' '.join(new)}" for address in addresses]
    return "".join(f"{line}\n" for line in lines)


def known_by(cluster: Cluster, name: str) -> Service | Pod | IPv4Address | None:
    """Return what a name of those stands for that are no node's or client's; None for nothing."""
    if name == "localhost":
        return LOCALHOST
    for service in cluster.services:
        if name in _names(service.key.name, service.key.namespace):
            return service
    return next((pod for pod in cluster.pods if name == _pod_name(pod)), None)


def _loopback(machine: str) -> Iterator[tuple[list[str], list[str]]]:
    for line in (f"{LOCALHOST} localhost", *machine.splitlines()):
        text = line.partition("#")[0].strip()
        if text.startswith("127."):
            address, *names = text.split()
            yield [address], names


def _hosts(cluster: Cluster) -> Iterator[tuple[list[str], list[str]]]:
    for node in cluster.nodes:
        yield [str(node.address)], [node.name]
    for client in cluster.clients:
        yield [str(client.address)], [client.name]


def _services(cluster: Cluster) -> Iterator[tuple[list[str], list[str]]]:
    for service in cluster.services:
        yield _addresses(cluster, service), _names(service.key.name, service.key.namespace)


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


def _names(name: str, namespace: str) -> list[str]:
    long = [f"{name}.{namespace}{end}" for end in ("", ".svc", f".svc.{DOMAIN}")]
    return [name, *long] if namespace == DEFAULT_NAMESPACE else long


def _pods(cluster: Cluster) -> Iterator[tuple[list[str], list[str]]]:
    for pod in cluster.pods:
        yield [str(pod.address)], [_pod_name(pod)]


def _pod_name(pod: Pod) -> str:
    namespace, name = pod.key
    return name if namespace == DEFAULT_NAMESPACE else f"{name}.{namespace}"
