"""Which flows there are: from every source to every address of every Service port. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    named = None if sources is None else _named(cluster, sources)
    found: list[Flow] = []
    for service in cluster.services:
        if service.type is ServiceType.EXTERNAL_NAME:
            continue
        asking = _default_sources(cluster, service) if named is None else named
        for port in service.ports:
            shared = tuple(_destinations(cluster, service, port))
            for source in asking:
                found += (replace(flow, source=source) for flow in shared)
                found += _localhost(cluster, service, port, source)
    return tuple(found)


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


def _default_sources(cluster: Cluster, service: Service) -> tuple[str, ...]:
    endpoints = {
        endpoint.pod
        for port in service.ports
        for endpoint in cluster.endpoints.get(service.port_name(port), ())
    }
    chosen: list[str] = []
    for node in cluster.nodes:
        pods = cluster.pods_on(node.name)
        chosen += _first([pod for pod in pods if pod.name in endpoints])
        chosen += _first([pod for pod in pods if pod.name not in endpoints])
    return (*cluster.client_by_name, *cluster.node_by_name, *chosen)


def _first(pods: Sequence[Pod]) -> list[str]:
    """One pod with a network of its own if there is one: the node stands for the others."""
    own = [pod for pod in pods if not pod.host_network]
    return [pod.name for pod in (own or pods)[:1]]
