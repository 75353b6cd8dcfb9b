"""Which UDP flows a change of endpoints leaves behind.

A UDP flow never ends by itself: conntrack goes on sending a busy client's packets to an endpoint
that is gone. TCP flows find out.

Source: kubernetes v1.36 pkg/proxy/conntrack/cleanup.go, CleanStaleEntries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import chain
from operator import attrgetter

from labkit.cluster.model import Cluster, KubeProxy, Protocol, Service, ServicePort
from labkit.cluster.topology import is_proxied, load_balancer_ips
from labkit.kernel.conntrack import TrackedFlow, forget_udp_flows, udp_flows
from labkit.kernel.netns import Namespace

Backend = tuple[IPv4Address, int]


def conntrack_sysctls(config: KubeProxy) -> Mapping[str, str]:
    """Return what kube-proxy's configuration sets of a node's conntrack.

    Source: kubernetes v1.36 cmd/kube-proxy/app/server_linux.go, setupConntrack.
    """
    return {"net/netfilter/nf_conntrack_tcp_be_liberal": "1"} if config.tcp_be_liberal else {}


def stale_flows(cluster: Cluster, flows: Iterable[TrackedFlow]) -> tuple[TrackedFlow, ...]:
    """Return the flows to a Service of which no serving endpoint is the one that answers.

    A Service without any serving endpoint keeps its flows. Policies, hints and nodes do not
    matter: a change of those is for new flows only, as it is for TCP.
    """
    by_address, by_node_port = _backends(cluster)
    return tuple(flow for flow in flows if _is_stale(flow, by_address, by_node_port))


def forget_stale_flows(cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
    """Make nodes forget such flows, after their rules were changed.

    Raises:
        KernelError: the kernel does not say what it tracks.
    """
    if not _has_udp(cluster):
        return
    for namespace in namespaces:
        if flows := udp_flows(namespace):
            forget_udp_flows(namespace, stale_flows(cluster, flows))


def _has_udp(cluster: Cluster) -> bool:
    """Whether any port is UDP's, without a line of Python for each of ten thousand Services."""
    ports = chain.from_iterable(map(attrgetter("ports"), cluster.services))
    return Protocol.UDP in map(attrgetter("protocol"), ports)


def _udp_ports(cluster: Cluster) -> Iterator[tuple[Service, ServicePort]]:
    for service, port in cluster.service_ports():
        if port.protocol is Protocol.UDP and is_proxied(service):
            yield service, port


def _backends(
    cluster: Cluster,
) -> tuple[Mapping[Backend, frozenset[Backend]], Mapping[int, frozenset[Backend]]]:
    """Serving endpoints by the address and port, and by the NodePort, that lead to them."""
    by_address: dict[Backend, frozenset[Backend]] = {}
    by_node_port: dict[int, frozenset[Backend]] = {}
    for service, port in _udp_ports(cluster):
        known = cluster.endpoints.get(service.port_name(port), ())
        serving = frozenset((each.address, each.port) for each in known if each.serving)
        if not serving:
            continue
        for address in (service.cluster_ip, *load_balancer_ips(service), *service.external_ips):
            if address is not None:
                by_address[address, port.port] = serving
        if port.node_port:
            by_node_port[port.node_port] = serving
    return by_address, by_node_port


def _is_stale(
    flow: TrackedFlow,
    by_address: Mapping[Backend, frozenset[Backend]],
    by_node_port: Mapping[int, frozenset[Backend]],
) -> bool:
    answers = (flow.reply_source, flow.reply_sport)
    for wanted in (
        by_address.get((flow.destination, flow.dport)),
        by_node_port.get(flow.dport),
    ):
        if wanted is not None and answers not in wanted:
            return True
    return False
