"""What there is in a lab, as tables for people: pods, Services, nodes, hosts. Pure.

Columns have kubectl's names where kubectl has them.
Source: kubernetes v1.36 pkg/printers/internalversion/printers.go, printPod and printService.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from tabulate import tabulate

from labkit.cluster.model import Cluster, Endpoint, Service, ServicePort
from labkit.errors import UsageError
from labkit.manifest.problems import nearest
from labkit.report.table import Paper
from labkit.report.text import clean, shortened

NONE: Final = "<none>"


Row = tuple[str, ...]


def inventory_text(cluster: Cluster, what: str, paper: Paper) -> str:
    """Return a table of what there is of something, with a line end at its end.

    Raises:
        UsageError: there is no such table.
    """
    if what not in TABLES:
        raise UsageError(f"there is no table of {what}; {nearest(what, TABLES)}")
    head, rows_of = TABLES[what]
    rows = [[clean(cell) for cell in row] for row in rows_of(cluster, paper)]
    if not rows:
        return f"there are no {what}\n"
    text = tabulate(rows, headers=head, tablefmt="plain", disable_numparse=True)
    return paper.finish(text.split("\n"))


def _pods(cluster: Cluster, _paper: Paper) -> Iterator[Row]:
    for pod in cluster.pods:
        ready = "Ready" if pod.ready else "NotReady"
        status = f"{ready}, Terminating" if pod.terminating else ready
        ports = [
            f"{port.port}/{port.protocol}"
            for container in pod.containers
            for port in container.ports
        ]
        yield pod.name, status, str(pod.address), pod.node, _listed(ports)


def _services(cluster: Cluster, paper: Paper) -> Iterator[Row]:
    for service in cluster.services:
        outside = [*map(str, service.external_ips), *(str(each.ip) for each in service.ingress)]
        endpoints = list(dict.fromkeys(_endpoints(cluster, service)))
        yield (
            service.key.shown,
            service.type,
            "None" if service.cluster_ip is None else str(service.cluster_ip),
            service.external_name or _listed(outside),
            _listed(map(_port, service.ports)),
            _listed(shortened(endpoints, paper.style.marks, paper.style.limit)),
        )


def _port(port: ServicePort) -> str:
    node_port = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{node_port}/{port.protocol}"


def _endpoints(cluster: Cluster, service: Service) -> Iterator[str]:
    for port in service.ports:
        yield from map(_endpoint, cluster.endpoints.get(service.port_name(port), ()))


def _endpoint(endpoint: Endpoint) -> str:
    name = f"{endpoint.pod or endpoint.address}:{endpoint.port}"
    if endpoint.terminating:
        return f"{name} (terminating)"
    return name if endpoint.ready else f"{name} (not ready)"


def _nodes(cluster: Cluster, _paper: Paper) -> Iterator[Row]:
    for node in cluster.nodes:
        pods = str(len(cluster.pods_on(node.name)))
        yield node.name, str(node.address), str(node.pod_cidr), node.zone or NONE, pods


def _hosts(cluster: Cluster, _paper: Paper) -> Iterator[Row]:
    for client in cluster.clients:
        yield client.name, "client", str(client.address), NONE
    for node in cluster.nodes:
        yield node.name, "node", str(node.address), node.name
    for pod in cluster.pods:
        yield pod.name, "pod", str(pod.address), pod.node


def _listed(words: Iterable[str]) -> str:
    return ",".join(words) or NONE


TABLES: Final[Mapping[str, tuple[Row, Callable[[Cluster, Paper], Iterator[Row]]]]] = {
    "pods": (("NAME", "STATUS", "IP", "NODE", "PORTS"), _pods),
    "services": (
        ("NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "ENDPOINTS"),
        _services,
    ),
    "nodes": (("NAME", "INTERNAL-IP", "POD-CIDR", "ZONE", "PODS"), _nodes),
    "hosts": (("NAME", "KIND", "IP", "NODE"), _hosts),
}
"""The columns of each table, and its rows."""
