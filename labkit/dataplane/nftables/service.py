"""The rules of one Service port on one node.

Source: kubernetes v1.36 pkg/proxy/nftables/proxier.go, syncProxyRules and
writeServiceToEndpointRules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.cluster.model import Endpoint, KubeProxy, Node, Service, ServicePort
from labkit.cluster.topology import (
    Categorized,
    is_externally_accessible,
    load_balancer_ips,
    uses_cluster_endpoints,
    uses_local_endpoints,
)
from labkit.dataplane.nftables import names
from labkit.dataplane.nftables.matches import (
    LocalDetector,
    any_of,
    duration,
    numbered,
    one_or_more,
    set_mark,
)
from labkit.dataplane.nftables.rules import Collection, Element, PortObjects

AFFINITY_SIZE: Final = 65535
"""What the kernel gives a dynamic set that asks for no size."""
FROM_HERE: Final = "fib saddr type local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is the same for every Service port of a node."""

    node: Node
    config: KubeProxy
    detector: LocalDetector


def port_objects(
    service: Service, port: ServicePort, endpoints: Categorized, options: Options
) -> PortObjects:
    """Return what a Service port that proxies serve adds to the table of a node."""
    out = PortObjects()
    if service.cluster_ip:
        _PortRules(
            service=service,
            port=port,
            cluster_ip=service.cluster_ip,
            endpoints=endpoints,
            options=options,
            out=out,
        ).write()
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class _PortRules:
    """Writes the rules of one Service port."""

    service: Service
    port: ServicePort
    cluster_ip: IPv4Address
    endpoints: Categorized
    options: Options
    out: PortObjects

    def write(self) -> None:
        """Add every chain and element of this port to ``out``."""
        self.out.add_element(names.CLUSTER_IPS, str(self.cluster_ip), Element())
        self._cluster_ip()
        self._external_ips()
        self._node_port()
        self._hairpin()
        if self.endpoints.cluster and uses_cluster_endpoints(self.service, self.port):
            self._pick_one(self._service_chain, self.endpoints.cluster)
        if self.endpoints.local and uses_local_endpoints(self.service, self.port):
            self._pick_one(self._local_chain, self.endpoints.local)
        if self.endpoints.has_any and is_externally_accessible(self.service, self.port):
            self._external_chain()
        if self._has_firewall:
            self._firewall_chain()
        if self.service.affinity_timeout_s is not None:
            for endpoint in self.endpoints.reachable:
                self._affinity(endpoint, self.service.affinity_timeout_s)

    # --- words ---

    @property
    def _kind(self) -> str:
        return self.port.protocol.lower()

    @property
    def _service_chain(self) -> str:
        return names.service_chain(self.service.port_name(self.port), self.port.protocol)

    @property
    def _local_chain(self) -> str:
        return names.local_chain(self.service.port_name(self.port), self.port.protocol)

    @property
    def _ext_chain(self) -> str:
        return names.external_chain(self.service.port_name(self.port), self.port.protocol)

    @property
    def _fw_chain(self) -> str:
        return names.firewall_chain(self.service.port_name(self.port), self.port.protocol)

    def _endpoint_chain(self, endpoint: Endpoint) -> str:
        name = self.service.port_name(self.port)
        return names.endpoint_chain(name, self.port.protocol, endpoint)

    def _affinity_set(self, endpoint: Endpoint) -> str:
        name = self.service.port_name(self.port)
        return names.affinity_set(name, self.port.protocol, endpoint)

    @property
    def _has_internal(self) -> bool:
        """Whether traffic to the cluster IP has somewhere to go."""
        local = self.service.internal_policy_local
        return bool(self.endpoints.local) if local else self.endpoints.has_any

    @property
    def _has_external(self) -> bool:
        """Whether traffic that really comes from outside has somewhere to go."""
        local = self.service.external_policy_local
        return bool(self.endpoints.local) if local else self.endpoints.has_any

    @property
    def _has_firewall(self) -> bool:
        return bool(load_balancer_ips(self.service) and self.service.source_ranges)

    @property
    def _refusal(self) -> Element:
        """Where traffic leads that has no endpoint to go to.

        No endpoint anywhere is refused at once; none on this node is dropped, so that a load
        balancer tries elsewhere.
        """
        verdict = "drop" if self.endpoints.has_any else f"goto {names.REJECT}"
        return Element(verdict=verdict, comment=str(self.service.port_name(self.port)))

    # --- the Service's addresses ---

    def _cluster_ip(self) -> None:
        key = self._address_key(self.cluster_ip)
        if not self._has_internal:
            self.out.add_element(names.NO_ENDPOINT_SERVICES, key, self._refusal)
            return
        local = self.service.internal_policy_local
        chain = self._local_chain if local else self._service_chain
        self.out.add_element(names.SERVICE_IPS, key, Element(verdict=f"goto {chain}"))

    def _external_ips(self) -> None:
        """Addresses outside the cluster; source ranges are for those of load balancers alone."""
        vips = load_balancer_ips(self.service)
        for address in (*self.service.external_ips, *vips):
            key = self._address_key(address)
            if self.endpoints.has_any:
                element = Element(verdict=f"goto {self._ext_chain}")
                self.out.add_element(names.SERVICE_IPS, key, element)
            if not self._has_external:
                self.out.add_element(names.NO_ENDPOINT_SERVICES, key, self._refusal)
            if self._has_firewall and address in vips:
                element = Element(verdict=f"goto {self._fw_chain}")
                self.out.add_element(names.FIREWALL_IPS, key, element)

    def _node_port(self) -> None:
        if not self.port.node_port:
            return
        key = f"{self._kind} . {self.port.node_port}"
        if self.endpoints.has_any:
            element = Element(verdict=f"goto {self._ext_chain}")
            self.out.add_element(names.SERVICE_NODEPORTS, key, element)
        if not self._has_external:
            self.out.add_element(names.NO_ENDPOINT_NODEPORTS, key, self._refusal)

    def _hairpin(self) -> None:
        """A packet that comes back to its sender would have its own address as source."""
        for endpoint in self.endpoints.reachable:
            if endpoint.node == self.options.node.name:
                address = endpoint.address
                key = f"{address} . {address} . {self._kind} . {endpoint.port}"
                self.out.add_element(names.HAIRPIN_CONNECTIONS, key, Element())

    def _address_key(self, address: IPv4Address) -> str:
        return f"{address} . {self._kind} . {self.port.port}"

    # --- the Service's own chains ---

    def _pick_one(self, chain: str, endpoints: Sequence[Endpoint]) -> None:
        """Any endpoint with equal chances, or first whoever the source was sent to before."""
        if self.service.affinity_timeout_s is None:
            targets = numbered(f"{each.address} . {each.port}" for each in endpoints)
            rule = f"meta l4proto {self._kind} dnat ip to {any_of(len(endpoints))} map {targets}"
            self.out.add_chain(chain, [rule])
            return
        remembered = [
            f"ip saddr @{self._affinity_set(each)} goto {self._endpoint_chain(each)}"
            for each in endpoints
        ]
        targets = numbered(f"goto {self._endpoint_chain(each)}" for each in endpoints)
        self.out.add_chain(chain, [*remembered, f"{any_of(len(endpoints))} vmap {targets}"])

    def _affinity(self, endpoint: Endpoint, timeout_s: int) -> None:
        """A set of the sources that are held to an endpoint, and the chain that adds them.

        The kernel drops sources from the set by itself when their time is up.
        """
        name = self._affinity_set(endpoint)
        size, flags = f"size {AFFINITY_SIZE}", "flags dynamic,timeout"
        definition = ("type ipv4_addr", size, flags, f"timeout {duration(timeout_s)}")
        self.out.affinity[name] = Collection(name=name, definition=definition)
        remember = f"update @{name} {{ ip saddr }}"
        self.out.add_chain(
            self._endpoint_chain(endpoint),
            [remember, f"meta l4proto {self._kind} dnat to {endpoint}"],
        )

    def _external_chain(self) -> None:
        """Traffic to NodePorts, externalIPs and load balancers.

        Under Cluster every packet is masqueraded, so the endpoint sees the node. Under Local an
        outside client's is not, so the endpoint sees the client; pods and the node itself get
        Cluster behaviour, because their traffic does not really come from outside.
        """
        mark, detector = self.options.config.masquerade_mark, self.options.detector
        if not self.service.external_policy_local:
            rules = [set_mark(mark, "masquerade"), f"goto {self._service_chain}"]
            self.out.add_chain(self._ext_chain, rules)
            return
        anywhere = f"goto {self._service_chain}"
        rules = []
        if detector.is_implemented:
            rules.append(f'{detector.if_local} {anywhere} comment "short-circuit pod traffic"')
        rules += [
            f"{FROM_HERE} {set_mark(mark, 'masquerade local traffic')}",
            f'{FROM_HERE} {anywhere} comment "short-circuit local traffic"',
        ]
        if self._has_external:
            rules.append(f"goto {self._local_chain}")
        self.out.add_chain(self._ext_chain, rules)

    def _firewall_chain(self) -> None:
        """Drop what is not from loadBalancerSourceRanges."""
        sources = set(self.service.source_ranges)
        if any(self.options.node.address in cidr for cidr in sources):
            # A node's own call to an address that it holds itself carries that address as source.
            sources.update(IPv4Network(vip) for vip in load_balancer_ips(self.service))
        self.out.add_chain(self._fw_chain, [f"ip saddr != {one_or_more(sources)} drop"])
