"""The network of a cluster, made in the kernel: fabric, nodes, pods, clients.

Each host is one namespace and one batch of netlink messages, sent from inside it. Everything
happens in one visit to the edge's thread.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Network
from types import TracebackType
from typing import Final, Self

from labkit.cluster.model import Client, Cluster, Node, Pod, PodNetwork, Route
from labkit.errors import LabError, UsageError
from labkit.kernel import netlink
from labkit.kernel.carrier import wait_for_carrier
from labkit.kernel.neighbours import Neighbours
from labkit.kernel.netlink import Request, Veth
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.open_files import make_room_for
from labkit.kernel.sysctls import write_sysctls

LO, ETH0, CNI0, FLANNEL = 1, 2, 3, 4
"""Interface indexes: chosen, so that a batch can name what it has just made."""
LAN0: Final = 2
ANYWHERE: Final = IPv4Network("0.0.0.0/0")
MTU: Final = 1500
VXLAN_OVERHEAD: Final = 50
BRIDGE_PORTS: Final = 1023
"""A Linux bridge takes no more ports (BR_MAX_PORTS)."""

FABRIC: Final = "the fabric"
"""What messages call it. No host can be called so: the name has a space."""

HOST_SYSCTLS: Final = {
    # Without limits every REJECT is heard: with them some turn into time-outs. An empty mask lifts
    # the limit of each peer (icmp_ratelimit) and of the namespace (icmp_msgs_per_sec).
    "net/ipv4/icmp_ratemask": "0",
}
INHERITED: Final = (
    "rp_filter",  # it would eat asymmetric traffic
    "arp_ignore",  # kube-proxy sets it on real nodes; with it the router would not answer
    "arp_announce",
    "arp_filter",
    "proxy_arp",
    "accept_local",
    "route_localnet",
    "log_martians",  # it would write into the host's log
    "send_redirects",
)
"""What a new namespace takes over from the machine's own and must not depend on.

A host with one way out acts the same with and without them, and the first file in conf/ costs
50 us to open: pods and clients keep what they get.
"""
ROUTER_SYSCTLS: Final = {
    **HOST_SYSCTLS,
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv4/ip_forward": "1",
    **{f"net/ipv4/conf/{scope}/{name}": "0" for scope in ("all", "default") for name in INHERITED},
}
NODE_SYSCTLS: Final = {**ROUTER_SYSCTLS, "net/bridge/bridge-nf-call-iptables": "1"}
FABRIC_SYSCTLS: Final = {**ROUTER_SYSCTLS, "net/bridge/bridge-nf-call-iptables": "0"}


class World:
    """Owns the namespaces of a cluster. Closing it closes their file descriptors."""

    def __init__(self, edge: Edge, cluster: Cluster) -> None:
        """Build everything.

        Raises:
            KernelError: the kernel refused a step; what was made is closed again.
            LabError: a bridge would have too many ports.
            MissingFeature: this process may not make namespaces, or have so many files open.
        """
        _check_ports(cluster)
        make_room_for(1 + len(cluster.nodes) + len(cluster.clients) + len(cluster.pods))
        self._edge = edge
        self._cluster = cluster
        self._neighbours = Neighbours(cluster)
        self._namespaces: dict[str, Namespace] = {}
        self._pods: dict[str, Pod] = {}
        """Pods of the running world, those on the host network too."""
        self._stopped = False
        try:
            self.fabric = edge.run(self._build)
        except BaseException:
            # Also when only this thread was interrupted: the edge's would go on building.
            self._stopped = True
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every namespace; the kernel takes the devices away with them."""
        with suppress(LabError):  # an edge that is closed has closed them
            self._edge.run(self._close)

    def host(self, name: str) -> Namespace:
        """Return the namespace of a client, node or pod; a hostNetwork pod has its node's.

        Raises:
            UsageError: there is no such host.
        """
        pod = self._pods.get(name)
        found = self._namespaces.get(pod.node if pod and pod.host_network else name)
        if found is None:
            raise UsageError(f"host {name} does not exist in this lab")
        return found

    def add_pod(self, pod: Pod) -> None:
        """Add a pod while the lab runs.

        Raises:
            UsageError: a host has its name, or its node does not exist.
            LabError: its node's bridge is full.
            KernelError: the kernel refused; nothing is left of the pod.
        """
        if pod.name in self._pods or pod.name in self._namespaces:
            raise UsageError(f"host {pod.name} exists in this lab already")
        node = self._cluster.node_by_name.get(pod.node)
        if node is None:
            raise UsageError(f"pod {pod.name}: node {pod.node} does not exist in this lab")
        neighbours = (each for each in self._pods.values() if each.node == pod.node)
        _check_bridge(f"cni0 of {pod.node}", [*neighbours, pod])
        make_room_for(1)
        try:
            self._edge.run(lambda: self._add_pods(node, [pod]))
            wait_for_carrier(self._namespaces[node.name])
        except LabError:
            self._pods.pop(pod.name, None)
            if half := self._namespaces.pop(pod.name, None):
                half.close()
            raise

    def remove_pod(self, name: str) -> None:
        """Remove a pod: its node forgets the interface at once.

        Raises:
            UsageError: there is no such pod.
        """
        pod = self._pods.pop(name, None)
        if pod is None:
            raise UsageError(f"pod {name} does not exist in this lab")
        if not pod.host_network:
            self._take_down(self._namespaces.pop(name))
            _change(self._namespaces[pod.node], [*self._neighbours.without(CNI0, pod)])

    # --- everything below runs on the edge's thread ---

    def _build(self) -> Namespace:
        fabric = self._fabric()
        for node in self._cluster.nodes:
            self._node(fabric, node)
        for client in self._cluster.clients:
            self._client(fabric, client)
        for node in self._cluster.nodes:
            self._add_pods(node, self._cluster.pods_on(node.name))
        for namespace in (fabric, *(self._namespaces[node.name] for node in self._cluster.nodes)):
            wait_for_carrier(namespace)
        return fabric

    def _close(self) -> None:
        for namespace in self._namespaces.values():
            namespace.close()
        self._namespaces.clear()

    def _take_down(self, namespace: Namespace) -> None:
        # Either end takes the other with it; this one needs no name.
        _change(namespace, [netlink.delete_link("eth0")])
        namespace.close()

    def _make(
        self, name: str, requests: list[Request], sysctls: Mapping[str, str] = HOST_SYSCTLS
    ) -> Namespace:
        """Make a host, all in one visit to its namespace."""
        if self._stopped:
            raise LabError("this lab is closed")
        namespace = self._edge.namespace(name, first=lambda: _configure(name, requests, sysctls))
        self._namespaces[name] = namespace
        return namespace

    def _fabric(self) -> Namespace:
        network = self._cluster.network
        requests = [
            netlink.link_up(LO, "lo"),
            netlink.new_bridge("lan0", LAN0),
            netlink.new_address(LAN0, network.gateway, network.lan.prefixlen),
            *_router_routes(self._cluster),
        ]
        return self._make(FABRIC, requests, FABRIC_SYSCTLS)

    def _node(self, fabric: Namespace, node: Node) -> None:
        network = self._cluster.network
        near = self._neighbours
        port = Veth(
            name=f"n{len(self._namespaces)}",
            namespace_fd=fabric.fd,
            bridge=LAN0,
            peer_mac=near.mac(node.address),
        )
        requests = [
            netlink.link_up(LO, "lo"),
            port.request(),
            netlink.link_up(ETH0, "eth0"),
            netlink.new_address(ETH0, node.address, network.lan.prefixlen),
            netlink.new_route(ANYWHERE, via=network.gateway),
            *near.on_lan(ETH0, node.address),
            # An address of its own: else it is that of the port with the lowest, and when pods
            # come and go the others would send to one that is gone until they ask again.
            netlink.new_bridge("cni0", CNI0, netlink.pod_mac(node.bridge_ip)),
            netlink.new_address(CNI0, node.bridge_ip, node.pod_cidr.prefixlen),
            *self._pod_network(node),
        ]
        self._make(node.name, requests, NODE_SYSCTLS)

    def _pod_network(self, node: Node) -> Iterable[Request]:
        others = [other for other in self._cluster.nodes if other is not node]
        if self._cluster.network.pod_network is PodNetwork.HOST_GW:
            for other in others:
                yield netlink.new_route(other.pod_cidr, via=other.address)
            return
        yield netlink.new_vxlan("flannel.1", FLANNEL, node.address, MTU - VXLAN_OVERHEAD)
        yield netlink.new_address(FLANNEL, node.vxlan_ip, 32)
        for other in others:
            mac = netlink.vxlan_mac(other.address)
            yield netlink.new_neighbour(FLANNEL, other.vxlan_ip, mac)
            yield netlink.new_vxlan_peer(FLANNEL, mac, other.address)
            yield netlink.new_route(other.pod_cidr, via=other.vxlan_ip, index=FLANNEL, onlink=True)

    def _client(self, fabric: Namespace, client: Client) -> None:
        network = self._cluster.network
        on_lan = client.address in network.lan
        name = f"c{len(self._namespaces)}"
        port = Veth(
            name=name,
            namespace_fd=fabric.fd,
            bridge=LAN0 if on_lan else 0,
            peer_mac=self._neighbours.mac(client.address),
        )
        prefix = network.lan.prefixlen if on_lan else 32
        default = netlink.new_route(ANYWHERE, via=network.gateway, index=ETH0, onlink=not on_lan)
        requests = [
            netlink.link_up(LO, "lo"),
            port.request(),
            netlink.link_up(ETH0, "eth0"),
            netlink.new_address(ETH0, client.address, prefix),
            *(_routes(client.routes) if on_lan else ()),
            *(self._neighbours.on_lan(ETH0, client.address) if on_lan else ()),
        ]
        if not (on_lan and any(each.to == ANYWHERE for each in client.routes)):
            # A way to everywhere, so that its kernel can answer a stranger with RST.
            requests.append(default)
        self._make(client.name, requests)
        if not on_lan:
            index = fabric.run(lambda: socket.if_nametoindex(name))
            to = IPv4Network((client.address, 32))
            _change(fabric, [netlink.new_route(to, index=index)])

    def _add_pods(self, node: Node, pods: Sequence[Pod]) -> None:
        node_namespace = self._namespaces[node.name]
        vxlan = self._cluster.network.pod_network is PodNetwork.VXLAN
        loopback, link = netlink.link_up(LO, "lo"), netlink.link_up(ETH0, "eth0")
        default = netlink.new_route(ANYWHERE, via=node.bridge_ip)
        own = [pod for pod in pods if not pod.host_network]
        for pod in own:
            port = Veth(
                name=pod.interface,
                namespace_fd=node_namespace.fd,
                bridge=CNI0,
                mtu=MTU - VXLAN_OVERHEAD if vxlan else MTU,
                peer_mac=netlink.pod_mac(pod.address),
            )
            address = netlink.new_address(ETH0, pod.address, node.pod_cidr.prefixlen)
            near = self._neighbours.of_pod(ETH0, node)
            requests = [loopback, port.request(), link, address, default, *near]
            self._make(pod.name, requests)
        changes = [netlink.hairpin(pod.interface) for pod in own]
        _change(node_namespace, [*changes, *self._neighbours.of_node(CNI0, own)])
        self._pods.update({pod.name: pod for pod in pods})


def _configure(where: str, requests: list[Request], sysctls: Mapping[str, str]) -> None:
    """Set sysctls, then send one batch, in the namespace of the calling thread."""
    write_sysctls(where, sysctls)
    with netlink.open_netlink() as sock:
        netlink.send(sock, requests, where=where)


def _change(namespace: Namespace, requests: list[Request]) -> None:
    """Send one batch inside a namespace that exists."""
    if requests:
        namespace.run(lambda: _configure(namespace.name, requests, {}))


def _routes(routes: Iterable[Route]) -> list[Request]:
    return [netlink.new_route(each.to, via=each.via) for each in routes]


def _router_routes(cluster: Cluster) -> list[Request]:
    """Routes of the fabric: what clients behind it ask for, and else nowhere.

    Raises:
        LabError: two of them want the same network to go different ways.
    """
    ways: dict[IPv4Network, tuple[Client, Route]] = {}
    for client in cluster.clients:
        if client.address in cluster.network.lan:
            continue
        for route in client.routes:
            other, taken = ways.setdefault(route.to, (client, route))
            if taken.via != route.via:
                raise LabError(
                    f"clients {other.name} and {client.name} are behind the same router and want "
                    f"{route.to} via {taken.via} and {route.via}: give them the same way"
                )
    nowhere = () if ANYWHERE in ways else (netlink.new_route(ANYWHERE, blackhole=True),)
    return [*nowhere, *_routes(route for _, route in ways.values())]


def _check_ports(cluster: Cluster) -> None:
    _check_bridge("lan0", [*cluster.nodes, *cluster.clients])
    for node in cluster.nodes:
        _check_bridge(f"cni0 of {node.name}", cluster.pods_on(node.name))


def _check_bridge(bridge: str, hosts: Sequence[Node | Client | Pod]) -> None:
    ports = sum(1 for host in hosts if not (isinstance(host, Pod) and host.host_network))
    if ports > BRIDGE_PORTS:
        raise LabError(
            f"{bridge} would have {ports} ports; a Linux bridge takes {BRIDGE_PORTS}: "
            "spread the pods over more nodes"
        )
