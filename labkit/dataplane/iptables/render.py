"""Renders everything that kube-proxy's iptables mode installs on a node.

Source: kubernetes v1.36 pkg/proxy/iptables/proxier.go, iptablesJumpChains and syncProxyRules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, Node, Service, ServicePort
from labkit.cluster.topology import categorize, is_proxied
from labkit.dataplane import cni, firewall, names
from labkit.dataplane.iptables.matches import comment, local_detector
from labkit.dataplane.iptables.service import Options, port_chains
from labkit.dataplane.node_addresses import (
    LOOPBACK_NETWORK,
    node_port_addresses,
    serves_localhost,
)
from labkit.dataplane.parts import Parts, render_parts
from labkit.dataplane.rules import PortChains, Ruleset, table

LARGE_CLUSTER_ENDPOINTS: Final = 1000
"""With more endpoints than this, rules of endpoints carry no comments."""
INVALID_COUNTER: Final = "ct_state_invalid_dropped_pkts"
NEW: Final = "-m conntrack --ctstate NEW"

EXTERNAL_JUMP: Final = (
    f"{NEW} {comment('kubernetes externally-visible service portals')} -j {names.EXTERNAL_SERVICES}"
)
FILTER_JUMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "INPUT": (
        f"{NEW} {comment('kubernetes load balancer firewall')} -j {names.PROXY_FIREWALL}",
        f"{comment('kubernetes health check service ports')} -j {names.NODEPORTS}",
        EXTERNAL_JUMP,
        f"-j {names.FIREWALL}",
    ),
    "FORWARD": (
        f"{NEW} {comment('kubernetes load balancer firewall')} -j {names.PROXY_FIREWALL}",
        f"{comment('kubernetes forwarding rules')} -j {names.FORWARD}",
        f"{NEW} {comment('kubernetes service portals')} -j {names.SERVICES}",
        EXTERNAL_JUMP,
    ),
    "OUTPUT": (
        f"{NEW} {comment('kubernetes load balancer firewall')} -j {names.PROXY_FIREWALL}",
        f"{NEW} {comment('kubernetes service portals')} -j {names.SERVICES}",
        f"-j {names.FIREWALL}",
    ),
}
MARTIANS: Final = (
    f"! -s {LOOPBACK_NETWORK} -d {LOOPBACK_NETWORK} "
    f"{comment('block incoming localnet connections')} "
    "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP"
)
"""route_localnet, which NodePorts on localhost need, opens 127.0.0.0/8 to neighbours; this closes
it again (kubernetes#90259)."""
NAT_JUMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "PREROUTING": (f"{comment('kubernetes service portals')} -j {names.SERVICES}",),
    "OUTPUT": (f"{comment('kubernetes service portals')} -j {names.SERVICES}",),
    "POSTROUTING": (f"{comment('kubernetes postrouting rules')} -j {names.POSTROUTING}",),
}


def render(
    cluster: Cluster, node: Node, previous: Ruleset | None = None, *, nfacct: bool = True
) -> Ruleset:
    """Return all tables of ``node``; Services in their order, which kube-proxy leaves to chance.

    Args:
        cluster: the desired state.
        node: whose rules.
        previous: what was rendered before, of which Services that did not change keep their part.
        nfacct: whether the kernel counts by nfacct; kube-proxy leaves those matches out without.
    """
    mark = f"{cluster.kube_proxy.masquerade_mark:#x}"
    filter_chains = {
        **FILTER_JUMPS,
        "INPUT": (*FILTER_JUMPS["INPUT"], *firewall.input_rules(node)),
        names.CANARY: (),
        names.SERVICES: (),
        names.EXTERNAL_SERVICES: (),
        names.NODEPORTS: (),
        names.PROXY_FIREWALL: (),
        names.FORWARD: (
            *(() if cluster.kube_proxy.tcp_be_liberal else _drop_invalid(nfacct=nfacct)),
            *_forward(mark),
        ),
        names.FIREWALL: (MARTIANS,) if serves_localhost(cluster.kube_proxy) else (),
    }
    nat_chains = {
        **NAT_JUMPS,
        "POSTROUTING": (*NAT_JUMPS["POSTROUTING"], *cni.masquerade_rules(cluster)),
        names.CANARY: (),
        names.NODEPORTS: (),
        names.MARK_MASQ: (f"-j MARK --set-xmark {mark}/{mark}",),
        names.POSTROUTING: _postrouting(mark, without=not cluster.masquerades),
        names.SERVICES: _node_port_jumps(cluster, node),
    }
    return Ruleset(
        (
            table("mangle", {names.CANARY: ()}),
            table("filter", filter_chains),
            table("nat", cni.nat_chains(cluster, node, nat_chains)),
        ),
        _services(cluster, node, previous.services if previous else None, nfacct=nfacct),
    )


def render_cni_only(cluster: Cluster, node: Node) -> Ruleset:
    """Return what a node has without a data plane: the CNI's rules, and its firewall's."""
    masquerading = {"POSTROUTING": cni.masquerade_rules(cluster)}
    nat = table("nat", cni.nat_chains(cluster, node, masquerading))
    return Ruleset((*firewall.own_table(node), nat))


def _services(
    cluster: Cluster, node: Node, previous: Parts[PortChains] | None, *, nfacct: bool
) -> Parts[PortChains]:
    """The rules of every Service port."""
    options = Options(
        node=node,
        config=cluster.kube_proxy,
        detector=local_detector(cluster.kube_proxy, node),
        nfacct=nfacct,
        comments=not _is_large(cluster),
    )

    def write(service: Service, port: ServicePort, endpoints: tuple[Endpoint, ...]) -> PortChains:
        return port_chains(service, port, categorize(service, port, endpoints, node), options)

    return render_parts(cluster, options, previous, write)


def _is_large(cluster: Cluster) -> bool:
    """Whether the Services that proxies serve have more than so many endpoints together."""
    count = 0
    for service, port in cluster.service_ports():
        if is_proxied(service):
            count += len(cluster.endpoints.get(service.port_name(port), ()))
            if count > LARGE_CLUSTER_ENDPOINTS:
                return True
    return False


def _node_port_jumps(cluster: Cluster, node: Node) -> Iterator[str]:
    """The last rules of KUBE-SERVICES: what is for the node itself may be a NodePort."""
    said = comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
    addresses = node_port_addresses(cluster, node)
    if addresses is None:
        loopback = "" if cluster.kube_proxy.localhost_node_ports else f"! -d {LOOPBACK_NETWORK} "
        yield f"{loopback}{said} -m addrtype --dst-type LOCAL -j {names.NODEPORTS}"
        return
    for address in addresses:
        yield f"-d {address}/32 {said} -j {names.NODEPORTS}"


def _drop_invalid(*, nfacct: bool) -> tuple[str, ...]:
    """Not with a liberal conntrack, for which no such packet is invalid (kubernetes#117924)."""
    # An out-of-window packet that is forwarded untranslated draws a RST on a healthy connection
    # (kubernetes#74839). iptables-save prints two spaces here.
    counter = f"-m nfacct --nfacct-name  {INVALID_COUNTER} " if nfacct else ""
    return (f"-m conntrack --ctstate INVALID {counter}-j DROP",)


def _forward(mark: str) -> tuple[str, ...]:
    said = comment("kubernetes forwarding rules")
    replies = comment("kubernetes forwarding conntrack rule")
    return (
        f"{said} -m mark --mark {mark}/{mark} -j ACCEPT",
        f"{replies} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )


def _postrouting(mark: str, *, without: bool) -> tuple[str, ...]:
    """SNAT for what carries the mark; ``without`` leaves it out, to show what it is for."""
    rules = (
        f"-m mark ! --mark {mark}/{mark} -j RETURN",
        # The mark goes before the packet meets an overlay and comes by here a second time.
        f"-j MARK --set-xmark {mark}/0x0",
    )
    if without:
        return rules
    said = comment("kubernetes service traffic requiring SNAT")
    return (*rules, f"{said} -j MASQUERADE --random-fully")
