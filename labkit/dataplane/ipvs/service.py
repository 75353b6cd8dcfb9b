"""The virtual servers and ipset elements of one Service port on one node.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncProxyRules and syncEndpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final, TypeAlias

from labkit.cluster.lookup import node_addresses
from labkit.cluster.model import Cluster, Endpoint, Node, Protocol, Service, ServicePort
from labkit.cluster.topology import Categorized, load_balancer_ips
from labkit.dataplane.ipvs import sets
from labkit.dataplane.ipvs.chains import refused_to_node
from labkit.dataplane.ipvs.sets import Sets
from labkit.dataplane.ipvs.tables import Address, Entry, VirtualServer
from labkit.dataplane.node_addresses import node_port_addresses

IP_PROTOCOL: Final = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
MAGLEV: Final = "mh"
Second: TypeAlias = IPv4Address | IPv4Network | None


@dataclass(frozen=True, slots=True)
class Servers:
    """What the Service ports of a node add to."""

    virtual: dict[tuple[Protocol, Address], VirtualServer] = field(default_factory=dict)
    sets: Sets = field(default_factory=Sets)
    addresses: set[IPv4Address] = field(default_factory=set)
    """Of ``kube-ipvs0``."""
    refused_to_node: list[str] = field(default_factory=list)

    def in_order(self) -> tuple[VirtualServer, ...]:
        """Every virtual server, by protocol, address and port."""
        return tuple(self.virtual[key] for key in sorted(self.virtual))


@dataclass(frozen=True, slots=True, kw_only=True)
class PortServers:
    """Writes what one Service port needs."""

    cluster: Cluster
    node: Node
    service: Service
    port: ServicePort
    cluster_ip: IPv4Address
    known: Sequence[Endpoint]
    """Every endpoint of the port, also those that get no traffic."""
    endpoints: Categorized
    out: Servers

    def write(self) -> None:
        """Add everything of this port to ``out``."""
        self._hairpins()
        self._cluster_ip()
        for address in self.service.external_ips:
            self._external_ip(address)
        for address in load_balancer_ips(self.service):
            self._load_balancer_ip(address)
        if self.port.node_port:
            self._node_port(self.port.node_port)
        if self.service.health_check_node_port:
            entry = Entry(port=self.service.health_check_node_port)
            self.out.sets.add(sets.HEALTH_CHECK, entry)

    def _hairpins(self) -> None:
        """An endpoint of this node that reaches itself would have its own address as source."""
        for endpoint in self.known:
            if endpoint.node == self.node.name:
                entry = Entry(
                    ip=endpoint.address,
                    protocol=self.port.protocol,
                    port=endpoint.port,
                    second=endpoint.address,
                )
                self.out.sets.add(sets.LOOP_BACK, entry)

    def _cluster_ip(self) -> None:
        self.out.sets.add(sets.CLUSTER_IP, self._entry(self.cluster_ip))
        self._serve(self.cluster_ip, self.port.port, local=self.service.internal_policy_local)
        self._bind(self.cluster_ip)

    def _external_ip(self, address: IPv4Address) -> None:
        local = self.service.external_policy_local
        name = sets.EXTERNAL_IP_LOCAL if local else sets.EXTERNAL_IP
        self.out.sets.add(name, self._entry(address))
        self._serve(address, self.port.port, local=local)
        self._bind(address)

    def _load_balancer_ip(self, address: IPv4Address) -> None:
        self.out.sets.add(sets.LOAD_BALANCER, self._entry(address))
        if self.service.external_policy_local:
            self.out.sets.add(sets.LOAD_BALANCER_LOCAL, self._entry(address))
        if self.service.source_ranges:
            self._source_ranges(address)
        self._serve(address, self.port.port, local=self.service.external_policy_local)
        self._bind(address)

    def _source_ranges(self, address: IPv4Address) -> None:
        self.out.sets.add(sets.LOAD_BALANCER_FW, self._entry(address))
        ranges = self.service.source_ranges
        for cidr in ranges:
            if cidr.prefixlen:
                # ipset refuses 0.0.0.0/0 here. kube-proxy logs that and goes on without it, so
                # such a Service lets nobody in.
                self.out.sets.add(sets.LOAD_BALANCER_SOURCE_CIDR, self._entry(address, second=cidr))
        if any(self.node.address in cidr for cidr in ranges):
            # A node's own call to an address that it holds itself carries that address as source.
            own = self._entry(address, second=address)
            self.out.sets.add(sets.LOAD_BALANCER_SOURCE_IP, own)
        else:
            number = IP_PROTOCOL[self.port.protocol]
            rule = refused_to_node(str(address), number, self.port.port)
            self.out.refused_to_node.append(rule)

    def _node_port(self, number: int) -> None:
        addresses = self._node_addresses
        local = self.service.external_policy_local
        protocol = self.port.protocol
        entries = (
            [Entry(ip=address, protocol=protocol, port=number) for address in addresses]
            if protocol is Protocol.SCTP
            else [Entry(port=number)]
        )
        for entry in entries if addresses else ():
            self.out.sets.add(sets.NODE_PORT[protocol], entry)
            if local:
                self.out.sets.add(sets.NODE_PORT_LOCAL[protocol], entry)
        for address in addresses:
            self._serve(address, number, local=local)

    @property
    def _node_addresses(self) -> tuple[IPv4Address, ...]:
        """Where NodePorts answer: never on loopback, as IPVS cannot serve that."""
        chosen = node_port_addresses(self.cluster, self.node)
        found = node_addresses(self.cluster, self.node) if chosen is None else chosen
        return tuple(address for address in found if not address.is_loopback)

    def _serve(self, address: IPv4Address, port: int, *, local: bool) -> None:
        """Add a virtual server.

        Under a Local policy it has the node's own endpoints, or all if there are none: in-cluster
        traffic must get somewhere, and what comes from outside is answered by a stranger
        (kubernetes#97081).
        """
        used = (self.endpoints.local if local else ()) or self.endpoints.cluster
        scheduler = self.cluster.kube_proxy.ipvs_scheduler
        server = VirtualServer(
            protocol=self.port.protocol,
            address=Address(address, port),
            scheduler=scheduler,
            persistent_s=self.service.affinity_timeout_s,
            hash_ports=scheduler == MAGLEV,
            real_servers=tuple(sorted({Address(each.address, each.port) for each in used})),
        )
        self.out.virtual[server.key] = server

    def _bind(self, address: IPv4Address) -> None:
        """Give kube-ipvs0 the address, unless another device of the node has it."""
        if address not in node_addresses(self.cluster, self.node):
            self.out.addresses.add(address)
            self.out.sets.add(sets.IPVS_IPS, Entry(ip=address))

    def _entry(self, address: IPv4Address, *, second: Second = None) -> Entry:
        return Entry(ip=address, protocol=self.port.protocol, port=self.port.port, second=second)
