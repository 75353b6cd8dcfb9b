"""Which node's rules a flow meets first, and what it looks like to them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.lookup import own_node
from labkit.cluster.model import Client, Cluster, DetectLocalMode, Node, Pod, PodNetwork, Route
from labkit.semantics.flows import Flow

BRIDGE: Final = "cni0"
"""The node's end of its pods' network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A flow at the node that looks after it."""

    node: Node
    source: IPv4Address
    """As the rules see it; a masqueraded pod's node."""
    own: bool = False
    """Whether the node itself calls."""
    interface: str = ""
    """Where it came in; empty for the node's own."""
    hidden_by: Node | None = None
    """The node whose CNI plugin has masqueraded it on its way here."""

    @property
    def inside(self) -> bool:
        """Whether it starts on this node: it is the node's own, or a pod's of the node."""
        return self.own or self.interface == BRIDGE


def arrival(cluster: Cluster, flow: Flow) -> Arrival | None:
    """Return where the flow meets rules; None if it meets none."""
    host = own_node(cluster, flow.source)
    pod = cluster.pod_by_name.get(flow.source)
    if host is not None:
        return _from_node(cluster, cluster.node_by_name[host], flow)
    if pod is not None:
        return _from_pod(cluster, pod, flow)
    client = cluster.client_by_name.get(flow.source)
    node = flow.node or (client and way_of_client(cluster, client, flow.address))
    return Arrival(node=node, source=client.address, interface="eth0") if client and node else None


def second_arrival(
    cluster: Cluster, came: Arrival, to: IPv4Address, *, masqueraded: bool
) -> Arrival | None:
    """Where a packet meets rules again that its node has sent on to the LAN's router.

    None if it meets none: the router drops it, or sends it back to the node whose address it has.

    Args:
        cluster: the lab.
        came: the packet at the node.
        to: where it goes.
        masqueraded: whether the node's rules hide its source.
    """
    node = way_of_router(cluster, to)
    hidden = masqueraded or is_hidden(cluster, came.source, to)
    if node is None or (node == came.node and (came.own or hidden)):
        return None
    source = leaving_address(cluster, came.node, to) if came.own or hidden else came.source
    by = came.node if hidden else None
    return Arrival(node=node, source=source, interface="eth0", hidden_by=by)


def is_local_traffic(cluster: Cluster, came: Arrival) -> bool | None:
    """Whether kube-proxy takes the flow for a pod's; None if it has no way to tell.

    Source: kubernetes v1.36 pkg/proxy/util/localdetector.go.
    """
    config = cluster.kube_proxy
    match config.detect_local_mode:
        case DetectLocalMode.NODE_CIDR:
            return came.source in came.node.pod_cidr
        case DetectLocalMode.BRIDGE_INTERFACE:
            return came.interface == config.bridge_interface
        case DetectLocalMode.INTERFACE_NAME_PREFIX:
            return bool(came.interface) and came.interface.startswith(config.interface_name_prefix)
        case DetectLocalMode.CLUSTER_CIDR:
            return None if config.cluster_cidr is None else came.source in config.cluster_cidr


def leaving_address(cluster: Cluster, node: Node, to: IPv4Address) -> IPv4Address:
    """The address that ``node`` has on the way to a host that is not its own."""
    overlay = cluster.network.pod_network is PodNetwork.VXLAN
    return node.vxlan_ip if overlay and to in cluster.network.pod_cidr else node.address


def is_hidden(cluster: Cluster, source: IPv4Address, to: IPv4Address) -> bool:
    """Whether the CNI plugin masquerades on the way from ``source`` to ``to``."""
    network = cluster.network
    return network.pod_masquerade and source in network.pod_cidr and to not in network.pod_cidr


def way_of_router(cluster: Cluster, to: IPv4Address) -> Node | None:
    """The node that the LAN's router sends packets to an address to; None if it drops them."""
    route = _longest(_router(cluster), to)
    return _node_at(cluster, route.via) if route else None


def _from_node(cluster: Cluster, node: Node, flow: Flow) -> Arrival:
    if flow.node is None or flow.node == node:
        source = flow.address if flow.via == "NodePort" else node.address
        return Arrival(node=node, source=source, own=True)
    source = leaving_address(cluster, node, flow.address)
    return Arrival(node=flow.node, source=source, interface=_entry(cluster, source))


def _from_pod(cluster: Cluster, pod: Pod, flow: Flow) -> Arrival:
    node = cluster.node_by_name[pod.node]
    if flow.node is None or flow.node == node:
        return Arrival(node=node, source=pod.address, interface=BRIDGE)
    hidden = is_hidden(cluster, pod.address, flow.address)
    return Arrival(
        node=flow.node,
        source=leaving_address(cluster, node, flow.address) if hidden else pod.address,
        interface=_entry(cluster, flow.address),
        hidden_by=node if hidden else None,
    )


def _entry(cluster: Cluster, address: IPv4Address) -> str:
    overlay = cluster.network.pod_network is PodNetwork.VXLAN
    return "flannel.1" if overlay and address in cluster.network.pod_cidr else "eth0"


def way_of_client(cluster: Cluster, client: Client, to: IPv4Address) -> Node | None:
    """The node that a client's packets to an address come to: by its routes, or the router's."""
    on_lan = client.address in cluster.network.lan
    route = _longest(client.routes, to) if on_lan else None
    return _node_at(cluster, route.via) if route else way_of_router(cluster, to)


def _node_at(cluster: Cluster, address: IPv4Address) -> Node | None:
    return next((node for node in cluster.nodes if node.address == address), None)


def _router(cluster: Cluster) -> tuple[Route, ...]:
    """The router has the routes of the clients behind it."""
    lan = cluster.network.lan
    return tuple(
        route for client in cluster.clients if client.address not in lan for route in client.routes
    )


def _longest(routes: tuple[Route, ...], to: IPv4Address) -> Route | None:
    fitting = [route for route in routes if to in route.to]
    return max(fitting, key=_prefix, default=None)


def _prefix(route: Route) -> int:
    return route.to.prefixlen
