"""Nodes, clients and the network of a Lab, with the addresses that it left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network
from typing import Final

from labkit.cluster.addresses import last_free, take, usable
from labkit.cluster.model import (
    Client,
    DetectLocalMode,
    KubeProxy,
    Network,
    Node,
    PodNetwork,
    Route,
)
from labkit.errors import UsageError
from labkit.manifest import kinds

ZONE_LABEL: Final = "topology.kubernetes.io/zone"
FIRST_CLIENT: Final = 100
"""Clients' addresses start here in the LAN, so that they are told from nodes at a glance."""
NODE_PREFIX_BITS: Final = 24
"""A node's pod CIDR is a /24 of the pod network, as kube-controller-manager gives it."""


def cidr(text: str) -> IPv4Network:
    """Read a validated CIDR; host bits are ignored as the API server does for ranges."""
    network = ip_network(text.strip(), strict=False)
    if not isinstance(network, IPv4Network):
        raise UsageError(f"{text} is not an IPv4 range")
    return network


def build_network(lab: kinds.LabSpec, outside: Collection[IPv4Address] = ()) -> Network:
    """The network's addresses; the router's is none that a host or anything ``outside`` has."""
    spec = lab.network
    lan = cidr(spec.lan)
    given = [node.address for node in lab.nodes] + [each.address for each in lab.clients or ()]
    low, high = lab.node_port_range.split("-")
    return Network(
        lan=lan,
        gateway=last_free(lan, [*outside, *(IPv4Address(text) for text in given if text)]),
        pod_cidr=cidr(spec.pod_cidr),
        service_cidr=cidr(spec.service_cidr),
        pod_network=PodNetwork(spec.pod_network),
        pod_masquerade=spec.pod_masquerade,
        node_port_range=(int(low), int(high)),
    )


def build_kube_proxy(spec: kinds.LabKubeProxy, network: Network) -> KubeProxy:
    """kube-proxy's configuration; without clusterCIDR local traffic is the pod network's."""
    if spec.cluster_cidr is None:
        cluster_cidr: IPv4Network | None = network.pod_cidr
    else:
        cluster_cidr = cidr(spec.cluster_cidr) if spec.cluster_cidr else None
    return KubeProxy(
        cluster_cidr=cluster_cidr,
        detect_local_mode=DetectLocalMode(spec.detect_local_mode),
        bridge_interface=spec.detect_local.bridge_interface,
        interface_name_prefix=spec.detect_local.interface_name_prefix,
        node_port_addresses=tuple(cidr(text) for text in spec.node_port_addresses),
        masquerade_all=spec.iptables.masquerade_all,
        masquerade_bit=spec.iptables.masquerade_bit,
        localhost_node_ports=spec.iptables.localhost_node_ports,
        ipvs_scheduler=spec.ipvs.scheduler,
        ipvs_strict_arp=spec.ipvs.strict_arp,
        tcp_be_liberal=spec.conntrack.tcp_be_liberal,
    )


def build_hosts(
    scenario: kinds.Scenario, network: Network, outside: Collection[IPv4Address] = ()
) -> tuple[tuple[Node, ...], tuple[Client, ...]]:
    """Nodes and clients of a scenario, every address filled in, none that is ``outside``."""
    lab = scenario.lab.spec
    clients = [kinds.LabClient(name="client")] if lab.clients is None else lab.clients
    given = [node.address for node in lab.nodes] + [client.address for client in clients]
    taken = {network.gateway, *outside, *(IPv4Address(text) for text in given if text)}
    nodes = tuple(_nodes(scenario, network, taken))
    by_name = {node.name: node.address for node in nodes}
    return nodes, tuple(_client(client, network, taken, by_name) for client in clients)


def _nodes(scenario: kinds.Scenario, network: Network, taken: set[IPv4Address]) -> Iterator[Node]:
    described = {node.metadata.name: node for node in scenario.node_objects}
    pod_cidrs = _pod_cidrs(scenario.lab.spec.nodes, network)
    for spec in scenario.lab.spec.nodes:
        node = Node(
            name=spec.name,
            address=_address(spec.address, network, taken, first=1, what=f"node {spec.name}"),
            pod_cidr=cidr(spec.pod_cidr) if spec.pod_cidr else next(pod_cidrs),
            labels=spec.labels,
            zone=spec.zone or spec.labels.get(ZONE_LABEL),
            drops_input=spec.input_policy == "DROP",
        )
        yield _described(node, described.get(spec.name))


def _described(node: Node, found: kinds.NodeObject | None) -> Node:
    """A Node manifest adds its labels; what the Lab says wins."""
    if found is None:
        return node
    labels = {**found.metadata.labels, **node.labels}
    return replace(node, labels=labels, zone=node.zone or labels.get(ZONE_LABEL))


def _pod_cidrs(nodes: list[kinds.LabNode], network: Network) -> Iterator[IPv4Network]:
    """Free /24s of the pod network; the first is left alone, so node1 has 10.244.1.0/24."""
    given = [cidr(node.pod_cidr) for node in nodes if node.pod_cidr]
    prefix = max(NODE_PREFIX_BITS, network.pod_cidr.prefixlen)
    subnets = network.pod_cidr.subnets(new_prefix=prefix)
    if prefix > network.pod_cidr.prefixlen:
        next(subnets)
    for subnet in subnets:
        if not any(subnet.overlaps(other) for other in given):
            yield subnet
    raise UsageError(
        f"network.podCIDR {network.pod_cidr} has no /{prefix} left for every node;"
        " widen it or give each node a podCIDR"
    )


def _address(
    text: str | None, network: Network, taken: set[IPv4Address], *, first: int, what: str
) -> IPv4Address:
    if text:
        return IPv4Address(text)
    if network.lan.num_addresses <= first:
        first = 1
    return take(usable(network.lan, first=first), taken, what=what)


def _client(
    spec: kinds.LabClient,
    network: Network,
    taken: set[IPv4Address],
    nodes: Mapping[str, IPv4Address],
) -> Client:
    what = f"client {spec.name}"
    return Client(
        name=spec.name,
        address=_address(spec.address, network, taken, first=FIRST_CLIENT, what=what),
        routes=tuple(
            Route(to=cidr(route.to), via=nodes.get(route.via) or IPv4Address(route.via))
            for route in spec.routes
        ),
    )
