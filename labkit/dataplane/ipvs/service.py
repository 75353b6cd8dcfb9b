"""The virtual servers and ipset elements of one Service port on one node.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncProxyRules and syncEndpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple, TypeAlias

from labkit.cluster.lookup import node_addresses
from labkit.cluster.model import Cluster, Endpoint, Node, Protocol, Service, ServicePort
from labkit.cluster.topology import Categorized, categorize, load_balancer_ips
from labkit.dataplane.ipvs import sets
from labkit.dataplane.ipvs.chains import refused_to_node
from labkit.dataplane.ipvs.tables import (
    Address,
    Entry,
    Member,
    PortTables,
    ServerKey,
    VirtualServer,
)
from labkit.dataplane.node_addresses import node_port_addresses

IP_PROTOCOL: Final = {Protocol.TCP: 6, Protocol.UDP: 17, Protocol.SCTP: 132}
MAGLEV: Final = "mh"
Second: TypeAlias = IPv4Address | IPv4Network | None


class Options(NamedTuple):
    """What every Service port of a node has in common."""

    node: Node
    own_addresses: tuple[IPv4Address, ...]
    node_port_addresses: tuple[IPv4Address, ...]
    """Where NodePorts answer: never on loopback, as IPVS cannot serve that."""
    scheduler: str


def options(cluster: Cluster, node: Node) -> Options:
    """Return the options of a node."""
    own = node_addresses(cluster, node)
    chosen = node_port_addresses(cluster, node)
    return Options(
        node=node,
        own_addresses=own,
        node_port_addresses=tuple(
            address for address in (own if chosen is None else chosen) if not address.is_loopback
        ),
        scheduler=cluster.kube_proxy.ipvs_scheduler,
    )


def port_tables(
    service: Service, port: ServicePort, endpoints: Sequence[Endpoint], about: Options
) -> PortTables:
    """Return what one Service port needs.

    Args:
        service: one that proxies serve.
        port: one of its ports.
        endpoints: every endpoint of the port, also those that get no traffic.
        about: the node.
    """
    used = categorize(service, port, endpoints, about.node)
    return _Writer(about=about, service=service, port=port, known=endpoints, used=used).written()


@dataclass(frozen=True, kw_only=True)
class _Writer:
    """Collects what one Service port needs; each thing once."""

    about: Options
    service: Service
    port: ServicePort
    known: Sequence[Endpoint]
    used: Categorized
    virtual: dict[ServerKey, VirtualServer] = field(default_factory=dict)
    members: dict[Member, None] = field(default_factory=dict)
    addresses: dict[IPv4Address, None] = field(default_factory=dict)
    refused_to_node: list[str] = field(default_factory=list)

    def written(self) -> PortTables:
        """Everything of this port."""
        self._hairpins()
        if self.service.cluster_ip is not None:
            self._cluster_ip(self.service.cluster_ip)
        for address in self.service.external_ips:
            self._external_ip(address)
        for address in load_balancer_ips(self.service):
            self._load_balancer_ip(address)
        if self.port.node_port:
            self._node_port(self.port.node_port)
        if self.service.health_check_node_port:
            self._add(sets.HEALTH_CHECK, Entry(port=self.service.health_check_node_port))
        return PortTables(
            place=(*self.service.key, self.service.ports.index(self.port)),
            virtual_servers=tuple(self.virtual.values()),
            members=tuple(self.members),
            addresses=tuple(self.addresses),
            refused_to_node=tuple(self.refused_to_node),
        )

    def _add(self, name: str, entry: Entry) -> None:
        self.members[name, entry] = None

    def _hairpins(self) -> None:
        """An endpoint of this node that reaches itself would have its own address as source."""
        for endpoint in self.known:
            if endpoint.node == self.about.node.name:
                entry = Entry(
                    ip=endpoint.address,
                    protocol=self.port.protocol,
                    port=endpoint.port,
                    second=endpoint.address,
                )
                self._add(sets.LOOP_BACK, entry)

    def _cluster_ip(self, address: IPv4Address) -> None:
        self._add(sets.CLUSTER_IP, self._entry(address))
        self._serve(address, self.port.port, local=self.service.internal_policy_local)
        self._bind(address)

    def _external_ip(self, address: IPv4Address) -> None:
        local = self.service.external_policy_local
        name = sets.EXTERNAL_IP_LOCAL if local else sets.EXTERNAL_IP
        self._add(name, self._entry(address))
        self._serve(address, self.port.port, local=local)
        self._bind(address)

    def _load_balancer_ip(self, address: IPv4Address) -> None:
        self._add(sets.LOAD_BALANCER, self._entry(address))
        if self.service.external_policy_local:
            self._add(sets.LOAD_BALANCER_LOCAL, self._entry(address))
        if self.service.source_ranges:
            self._source_ranges(address)
        self._serve(address, self.port.port, local=self.service.external_policy_local)
        self._bind(address)

    def _source_ranges(self, address: IPv4Address) -> None:
        self._add(sets.LOAD_BALANCER_FW, self._entry(address))
        ranges = self.service.source_ranges
        for cidr in ranges:
            if cidr.prefixlen:
                # ipset refuses 0.0.0.0/0 here. kube-proxy logs that and goes on without it, so
                # such a Service lets nobody in.
                self._add(sets.LOAD_BALANCER_SOURCE_CIDR, self._entry(address, second=cidr))
        if any(self.about.node.address in cidr for cidr in ranges):
            # A node's own call to an address that it holds itself carries that address as source.
            self._add(sets.LOAD_BALANCER_SOURCE_IP, self._entry(address, second=address))
        else:
            number = IP_PROTOCOL[self.port.protocol]
            self.refused_to_node.append(refused_to_node(str(address), number, self.port.port))

    def _node_port(self, number: int) -> None:
        addresses = self.about.node_port_addresses
        local = self.service.external_policy_local
        protocol = self.port.protocol
        entries = (
            [Entry(ip=address, protocol=protocol, port=number) for address in addresses]
            if protocol is Protocol.SCTP
            else [Entry(port=number)]
        )
        for entry in entries if addresses else ():
            self._add(sets.NODE_PORT[protocol], entry)
            if local:
                self._add(sets.NODE_PORT_LOCAL[protocol], entry)
        for address in addresses:
            self._serve(address, number, local=local)

    def _serve(self, address: IPv4Address, port: int, *, local: bool) -> None:
        """Add a virtual server."""
        server = VirtualServer(
            protocol=self.port.protocol,
            address=Address(address, port),
            scheduler=self.about.scheduler,
            persistent_s=self.service.affinity_timeout_s,
            hash_ports=self.about.scheduler == MAGLEV,
            real_servers=self._real_local if local else self._real,
        )
        self.virtual[server.key] = server

    @cached_property
    def _real(self) -> tuple[Address, ...]:
        return _real_servers(self.used.cluster)

    @cached_property
    def _real_local(self) -> tuple[Address, ...]:
        """Under a Local policy: the node's own endpoints, or all if there are none.

        In-cluster traffic must get somewhere, and what comes from outside is answered by a stranger
        (kubernetes#97081).
        """
        return _real_servers(self.used.local) if self.used.local else self._real

    def _bind(self, address: IPv4Address) -> None:
        """Give kube-ipvs0 the address, unless another device of the node has it."""
        if address not in self.about.own_addresses:
            self.addresses[address] = None
            self._add(sets.IPVS_IPS, Entry(ip=address))

    def _entry(self, address: IPv4Address, *, second: Second = None) -> Entry:
        return Entry(ip=address, protocol=self.port.protocol, port=self.port.port, second=second)


def _real_servers(endpoints: Sequence[Endpoint]) -> tuple[Address, ...]:
    """Each once, in order."""
    unique = {(int(each.address), each.port): each for each in endpoints}
    return tuple(Address(unique[key].address, unique[key].port) for key in sorted(unique))
