"""The rules of one Service port on one node.

Source: kubernetes v1.36 pkg/proxy/iptables/proxier.go, syncProxyRules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Endpoint, KubeProxy, Node, Service, ServicePort
from labkit.cluster.object_names import ServicePortName
from labkit.cluster.topology import (
    Categorized,
    is_externally_accessible,
    load_balancer_ips,
    uses_cluster_endpoints,
    uses_local_endpoints,
)
from labkit.dataplane import names
from labkit.dataplane.iptables.matches import (
    LocalDetector,
    comment,
    local_address_port,
    one_in,
    to_port,
)
from labkit.dataplane.node_addresses import serves_localhost
from labkit.dataplane.rules import PortChains

REJECT: Final = "REJECT --reject-with icmp-port-unreachable"
LOCALHOST_COUNTER: Final = "localhost_nps_accepted_pkts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is the same for every Service port of a node."""

    node: Node
    config: KubeProxy
    detector: LocalDetector
    nfacct: bool
    comments: bool
    """Whether rules of endpoints carry comments: not in large clusters."""


def port_chains(
    service: Service, port: ServicePort, endpoints: Categorized, options: Options
) -> PortChains:
    """Return what a Service port that proxies serve adds to the tables of a node."""
    out = PortChains()
    if service.cluster_ip:
        _PortRules(
            service=service,
            port=port,
            name=service.port_name(port),
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
    name: ServicePortName
    cluster_ip: IPv4Address
    endpoints: Categorized
    options: Options
    out: PortChains

    def write(self) -> None:
        """Add every rule of this port to ``out``."""
        self._cluster_ip()
        self._external_ips()
        self._load_balancer_ips()
        self._node_port()
        if self.service.health_check_node_port:
            self._health_check_port(self.service.health_check_node_port)
        if self.endpoints.has_any:
            self._own_chains()

    def _own_chains(self) -> None:
        if self._internal:
            self._internal_masquerade()
        if is_externally_accessible(self.service, self.port):
            self._external_chain()
        if self._has_firewall:
            self._firewall_chain()
        if self.endpoints.cluster and uses_cluster_endpoints(self.service, self.port):
            self._pick_one(self._service_chain, self.endpoints.cluster)
        if self.endpoints.local and uses_local_endpoints(self.service, self.port):
            self._pick_one(self._local_chain, self.endpoints.local)
        for endpoint in self.endpoints.reachable:
            self._endpoint_chain(endpoint)

    # --- words ---

    @property
    def _name(self) -> str:
        return str(self.name)

    @property
    def _service_chain(self) -> str:
        return names.service_chain(self.name, self.port.protocol)

    @property
    def _local_chain(self) -> str:
        return names.local_chain(self.name, self.port.protocol)

    @property
    def _ext_chain(self) -> str:
        return names.external_chain(self.name, self.port.protocol)

    @property
    def _fw_chain(self) -> str:
        return names.firewall_chain(self.name, self.port.protocol)

    def _sep_chain(self, endpoint: Endpoint) -> str:
        return names.endpoint_chain(self.name, self.port.protocol, str(endpoint))

    @property
    def _internal(self) -> tuple[Endpoint, ...]:
        """Endpoints of traffic to the cluster IP."""
        local = self.service.internal_policy_local
        return self.endpoints.local if local else self.endpoints.cluster

    @property
    def _internal_chain(self) -> str:
        return self._local_chain if self.service.internal_policy_local else self._service_chain

    @property
    def _external(self) -> tuple[Endpoint, ...]:
        """Endpoints of traffic that really comes from outside."""
        local = self.service.external_policy_local
        return self.endpoints.local if local else self.endpoints.cluster

    @property
    def _has_firewall(self) -> bool:
        vips = load_balancer_ips(self.service)
        return bool(self.endpoints.has_any and vips and self.service.source_ranges)

    @property
    def _refusal(self) -> tuple[str, str]:
        """Comment and target for traffic that has no endpoint to go to.

        No endpoint anywhere is refused at once; none on this node is dropped, so that a load
        balancer tries elsewhere.
        """
        if self.endpoints.has_any:
            return f"{self._name} has no local endpoints", "DROP"
        return f"{self._name} has no endpoints", REJECT

    # --- the Service's addresses ---

    def _cluster_ip(self) -> None:
        address, protocol, port = self.cluster_ip, self.port.protocol, self.port.port
        if self._internal:
            match = to_port(address, protocol, port, said=f"{self._name} cluster IP")
            self.out.at("nat", names.SERVICES).append(f"{match} -j {self._internal_chain}")
            return
        said, target = self._refusal
        match = to_port(address, protocol, port, said=said)
        self.out.at("filter", names.SERVICES).append(f"{match} -j {target}")

    def _external_ips(self) -> None:
        for address in self.service.external_ips:
            if self.endpoints.has_any:
                said = f"{self._name} external IP"
                match = to_port(address, self.port.protocol, self.port.port, said=said)
                self.out.at("nat", names.SERVICES).append(f"{match} -j {self._ext_chain}")
            if not self._external:
                self._refuse_external(address)

    def _load_balancer_ips(self) -> None:
        for address in load_balancer_ips(self.service):
            if self.endpoints.has_any:
                said = f"{self._name} loadbalancer IP"
                match = to_port(address, self.port.protocol, self.port.port, said=said)
                chain = self._fw_chain if self._has_firewall else self._ext_chain
                self.out.at("nat", names.SERVICES).append(f"{match} -j {chain}")
            if self._has_firewall:
                said = f"{self._name} traffic not accepted by {self._fw_chain}"
                match = to_port(address, self.port.protocol, self.port.port, said=said)
                self.out.at("filter", names.PROXY_FIREWALL).append(f"{match} -j DROP")
            if not self._external:
                self._refuse_external(address)

    def _refuse_external(self, address: IPv4Address) -> None:
        said, target = self._refusal
        match = to_port(address, self.port.protocol, self.port.port, said=said)
        self.out.at("filter", names.EXTERNAL_SERVICES).append(f"{match} -j {target}")

    def _node_port(self) -> None:
        number = self.port.node_port
        if number is None:
            return
        if self.endpoints.has_any:
            self.out.at("nat", names.NODEPORTS).extend(self._node_port_jumps(number))
        if not self._external:
            said, target = self._refusal
            match = local_address_port(self.port.protocol, number, said=said)
            self.out.at("filter", names.EXTERNAL_SERVICES).append(f"{match} -j {target}")

    def _node_port_jumps(self, number: int) -> Iterator[str]:
        kind = self.port.protocol.lower()
        match = f"-p {kind} {comment(self._name)} -m {kind} --dport {number}"
        if self.options.nfacct and serves_localhost(self.options.config):
            # Counts who still uses NodePorts on localhost. iptables-save prints two spaces here.
            counter = f"-m nfacct --nfacct-name  {LOCALHOST_COUNTER}"
            yield f"-d 127.0.0.0/8 {match} {counter} -j {self._ext_chain}"
        yield f"{match} -j {self._ext_chain}"

    def _health_check_port(self, number: int) -> None:
        said = comment(f"{self._name} health check node port")
        rule = f"-p tcp {said} -m tcp --dport {number} -j ACCEPT"
        self.out.at("filter", names.NODEPORTS).append(rule)

    # --- the Service's own chains ---

    def _internal_masquerade(self) -> None:
        """Traffic to the cluster IP that is no pod's: its answer must come back this way."""
        config, detector = self.options.config, self.options.detector
        if not config.masquerade_all and not detector.is_implemented:
            return
        match = to_port(
            self.cluster_ip,
            self.port.protocol,
            self.port.port,
            said=f"{self._name} cluster IP",
            unless=None if config.masquerade_all else detector,
        )
        self.out.at("nat", self._internal_chain).append(f"{match} -j {names.MARK_MASQ}")

    def _external_chain(self) -> None:
        """Traffic to NodePorts, externalIPs and load balancers.

        Under Cluster every packet is masqueraded, so the endpoint sees the node. Under Local an
        outside client's is not, so the endpoint sees the client; pods and the node itself get
        Cluster behaviour, because their traffic does not really come from outside.
        """
        rules = self.out.at("nat", self._ext_chain)
        whose = f"for {self._name} external destinations"
        if not self.service.external_policy_local:
            rules.append(f"{comment(f'masquerade traffic {whose}')} -j {names.MARK_MASQ}")
        else:
            detector, chain = self.options.detector, self._service_chain
            if detector.is_implemented:
                said = comment(f"pod traffic {whose}")
                rules.append(f"{detector.if_local} {said} -j {chain}")
            here = "-m addrtype --src-type LOCAL"
            said = comment(f"masquerade LOCAL traffic {whose}")
            rules.append(f"{said} {here} -j {names.MARK_MASQ}")
            said = comment(f"route LOCAL traffic {whose}")
            rules.append(f"{said} {here} -j {chain}")
        if self._external:
            local = self.service.external_policy_local
            rules.append(f"-j {self._local_chain if local else self._service_chain}")

    def _firewall_chain(self) -> None:
        rules = self.out.at("nat", self._fw_chain)
        said = comment(f"{self._name} loadbalancer IP")
        ranges = self.service.source_ranges
        for cidr in ranges:
            # iptables-save does not print a source that matches everything.
            source = f"-s {cidr} " if cidr.prefixlen else ""
            rules.append(f"{source}{said} -j {self._ext_chain}")
        if any(self.options.node.address in cidr for cidr in ranges):
            # A node's own call to an address that it holds itself carries that address as source.
            vips = load_balancer_ips(self.service)
            rules += (f"-s {vip}/32 {said} -j {self._ext_chain}" for vip in vips)
        rules.append(
            comment(f"other traffic to {self._name} will be dropped by KUBE-PROXY-FIREWALL")
        )

    def _pick_one(self, chain: str, endpoints: Sequence[Endpoint]) -> None:
        """First whoever the source was sent to before, then any with equal chances."""
        rules = self.out.at("nat", chain)
        timeout_s = self.service.affinity_timeout_s
        if timeout_s is not None:
            for endpoint in endpoints:
                target = self._sep_chain(endpoint)
                remembered = (
                    f"-m recent --rcheck --seconds {timeout_s} --reap --name {target} "
                    "--mask 255.255.255.255 --rsource"
                )
                rules.append(f"{self._said(f' -> {endpoint}')}{remembered} -j {target}")
        for index, endpoint in enumerate(endpoints):
            left = len(endpoints) - index
            chance = f"{one_in(left)} " if left > 1 else ""
            said = self._said(f" -> {endpoint}")
            rules.append(f"{said}{chance}-j {self._sep_chain(endpoint)}")

    def _endpoint_chain(self, endpoint: Endpoint) -> None:
        rules = self.out.at("nat", self._sep_chain(endpoint))
        said = self._said("")
        # A packet that comes back to its sender would have its own address as source.
        rules.append(f"-s {endpoint.address}/32 {said}-j {names.MARK_MASQ}")
        kind = self.port.protocol.lower()
        remember = ""
        if self.service.affinity_timeout_s is not None:
            chain = self._sep_chain(endpoint)
            remember = f"-m recent --set --name {chain} --mask 255.255.255.255 --rsource "
        rules.append(f"-p {kind} {said}{remember}-m {kind} -j DNAT --to-destination {endpoint}")

    def _said(self, more: str) -> str:
        return f"{comment(self._name + more)} " if self.options.comments else ""
