"""Which flows there are: from every source to every address of every Service port. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.lookup import LOCALHOST, host_named, host_names, own_node
from labkit.cluster.model import Cluster, Pod, Service, ServicePort, ServiceType
from labkit.probe.flow import Flow, Via

ALL: Final = "all"
"""The source that stands for every client, node and pod."""


def flows(cluster: Cluster, sources: Sequence[str] | None) -> tuple[Flow, ...]:
    """Return every flow of the cluster's Services, by Service port, then source, then destination.

    Args:
        cluster: the lab.
        sources: hosts' names; ``("all",)`` for everybody; None for every client, every node and,
            per Service and node, one pod that is an endpoint of it and one that is none.

    Raises:
        UsageError: a name is no host of the lab.
    """
    return tuple(each_flow(cluster, sources))


def each_flow(cluster: Cluster, sources: Sequence[str] | None) -> Iterator[Flow]:
    """The same, one after the other: a large lab has hundreds of thousands."""
    named = None if sources is None else _named(cluster, sources)
    usual = _Usual(cluster)
    for service in cluster.services:
        if service.type is ServiceType.EXTERNAL_NAME:
            continue
        asking = usual.sources(service) if named is None else named
        for port in service.ports:
            shared = tuple(_destinations(cluster, service, port))
            for source in asking:
                yield from (replace(flow, source=source) for flow in shared)
                yield from _localhost(cluster, service, port, source)


def _destinations(cluster: Cluster, service: Service, port: ServicePort) -> Iterator[Flow]:
    """Every address and port of a Service port that anybody may ask; the source is left open."""

    def flow(via: Via, address: IPv4Address, dport: int, node: str | None = None) -> Flow:
        return Flow(
            source="",
            address=address,
            dport=dport,
            protocol=port.protocol,
            service=str(service.key),
            port=port.name,
            via=via,
            node=node,
        )

    if service.cluster_ip is not None:
        yield flow(Via.CLUSTER_IP, service.cluster_ip, port.port)
        if port.node_port is not None:
            for node in cluster.nodes:
                yield flow(Via.NODE_PORT, node.address, port.node_port, node.name)
        for address in service.external_ips:
            yield flow(Via.EXTERNAL_IP, address, port.port)
        for ingress in service.ingress:
            yield flow(Via.LOAD_BALANCER, ingress.ip, port.port)
    for endpoint in cluster.endpoints.get(service.port_name(port), ()):
        yield flow(Via.POD_IP, endpoint.address, endpoint.port)


def _localhost(
    cluster: Cluster, service: Service, port: ServicePort, source: str
) -> Iterator[Flow]:
    """The NodePort on 127.0.0.1, which only the node itself can ask."""
    node = own_node(cluster, source)
    if service.cluster_ip is not None and node is not None and port.node_port is not None:
        yield Flow(
            source=source,
            address=LOCALHOST,
            dport=port.node_port,
            protocol=port.protocol,
            service=str(service.key),
            port=port.name,
            via=Via.NODE_PORT,
            node=node,
        )


def _named(cluster: Cluster, sources: Sequence[str]) -> tuple[str, ...]:
    if ALL in sources:
        return host_names(cluster)
    return tuple(dict.fromkeys(host_named(cluster, name, "source") for name in sources))


class _Usual:
    """Who asks if nobody says who: finds a Service's pods without asking every pod."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._everybody = (*cluster.client_by_name, *cluster.node_by_name)
        self._places = {pod.name: place for place, pod in enumerate(cluster.pods)}
        self._on: dict[str, list[Pod]] = {node.name: [] for node in cluster.nodes}
        for pod in cluster.pods:
            self._on[pod.node].append(pod)

    def sources(self, service: Service) -> tuple[str, ...]:
        """Every client and node, and of each node one endpoint's pod and one that is none."""
        endpoints = self._endpoints(service)
        names = {pod.name for pod in endpoints}
        chosen: list[str] = []
        for node, pods in self._on.items():
            chosen += _first(pod for pod in endpoints if pod.node == node)
            chosen += _first(pod for pod in pods if pod.name not in names)
        return (*self._everybody, *chosen)

    def _endpoints(self, service: Service) -> Sequence[Pod]:
        """The pods of a Service, in the cluster's order."""
        names = {
            endpoint.pod
            for port in service.ports
            for endpoint in self._cluster.endpoints.get(service.port_name(port), ())
        }
        known = [self._cluster.pod_by_name[name] for name in names if name in self._places]
        return sorted(known, key=lambda pod: self._places[pod.name])


def _first(pods: Iterable[Pod]) -> list[str]:
    """One pod with a network of its own if there is one: the node stands for the others."""
    others: list[str] = []
    for pod in pods:
        if not pod.host_network:
            return [pod.name]
        others.append(pod.name)
    return others[:1]
