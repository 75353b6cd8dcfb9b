"""IPVS mode's iptables chains: which packets are masqueraded, let in or dropped.

IPVS itself balances. These chains are the same for one Service and for a thousand: they ask the
ipsets.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, writeIptablesRules and iptablesJumpChain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from labkit.cluster.model import Cluster, KubeProxy, Node
from labkit.dataplane import cni, names
from labkit.dataplane.firewall import input_rules
from labkit.dataplane.iptables.matches import comment, local_detector
from labkit.dataplane.ipvs import sets
from labkit.dataplane.ipvs.sets import Filled, Jump, match, said
from labkit.dataplane.node_addresses import LOOPBACK_NETWORK
from labkit.dataplane.rules import Ruleset, table

NODE_PORT: Final = "KUBE-NODE-PORT"
LOAD_BALANCER: Final = "KUBE-LOAD-BALANCER"
IPVS_FILTER: Final = "KUBE-IPVS-FILTER"
IPVS_OUT_FILTER: Final = "KUBE-IPVS-OUT-FILTER"
SOURCE_RANGES_FIREWALL: Final = "KUBE-SOURCE-RANGES-FIREWALL"
REJECT: Final = "REJECT --reject-with icmp-port-unreachable"

FILTER_JUMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "INPUT": (
        f"{comment('kubernetes ipvs access filter')} -j {IPVS_FILTER}",
        f"{comment('kube-proxy firewall rules')} -j {names.PROXY_FIREWALL}",
        f"{comment('kubernetes health check rules')} -j {NODE_PORT}",
    ),
    "FORWARD": (
        f"{comment('kube-proxy firewall rules')} -j {names.PROXY_FIREWALL}",
        f"{comment('kubernetes forwarding rules')} -j {names.FORWARD}",
    ),
    "OUTPUT": (f"{comment('kubernetes ipvs access filter')} -j {IPVS_OUT_FILTER}",),
}
NAT_JUMPS: Final[Mapping[str, tuple[str, ...]]] = {
    "PREROUTING": (f"{comment('kubernetes service portals')} -j {names.SERVICES}",),
    "OUTPUT": (f"{comment('kubernetes service portals')} -j {names.SERVICES}",),
    "POSTROUTING": (f"{comment('kubernetes postrouting rules')} -j {names.POSTROUTING}",),
}


def chains(
    cluster: Cluster, node: Node, found: Filled, refused_to_node: Sequence[str] = ()
) -> Ruleset:
    """Return the tables of a node.

    Args:
        cluster: the desired state.
        node: whose rules.
        found: which of the node's ipsets hold something.
        refused_to_node: rules against the node's own calls to load balancers that are not for it.
    """
    mark = f"{cluster.kube_proxy.masquerade_mark:#x}"
    firewall = Jump(sets.LOAD_BALANCER_FW, "dst,dst", SOURCE_RANGES_FIREWALL)
    allowed = (
        Jump(sets.LOAD_BALANCER_SOURCE_CIDR, "dst,dst,src", "RETURN"),
        Jump(sets.LOAD_BALANCER_SOURCE_IP, "dst,dst,src", "RETURN"),
    )
    not_masqueraded = Jump(sets.LOAD_BALANCER_LOCAL, "dst,dst", "RETURN")
    filter_chains = {
        **FILTER_JUMPS,
        "INPUT": (*FILTER_JUMPS["INPUT"], *input_rules(node)),
        names.FORWARD: _forward(mark),
        NODE_PORT: (Jump(sets.HEALTH_CHECK, "dst", "ACCEPT").rule(),),
        names.PROXY_FIREWALL: found.rules([firewall]),
        SOURCE_RANGES_FIREWALL: (*found.rules(allowed), "-j DROP"),
        IPVS_FILTER: _ipvs_filter(),
        IPVS_OUT_FILTER: refused_to_node,
    }
    nat_chains = {
        **NAT_JUMPS,
        "POSTROUTING": (*NAT_JUMPS["POSTROUTING"], *cni.masquerade_rules(cluster)),
        names.SERVICES: _services(cluster.kube_proxy, node, found),
        NODE_PORT: found.rules(_node_ports()),
        LOAD_BALANCER: (*found.rules([not_masqueraded]), f"-j {names.MARK_MASQ}"),
        names.MARK_MASQ: (f"-j MARK --set-xmark {mark}/{mark}",),
        names.POSTROUTING: _postrouting(mark, found, without=not cluster.masquerades),
    }
    return Ruleset(
        (table("filter", filter_chains), table("nat", cni.nat_chains(cluster, node, nat_chains)))
    )


def refused_to_node(ip: str, protocol: int, port: int) -> str:
    """Drop what a node sends to a load balancer whose sourceRanges leave it out.

    To such an address, bound on kube-ipvs0, the node's packets carry that address as source too
    (kubernetes#119656).
    """
    return f"-s {ip}/32 -m ipvs --vproto {protocol} --vaddr {ip} --vport {port} -j DROP"


def _services(config: KubeProxy, node: Node, found: Filled) -> Iterator[str]:
    yield f"-s {LOOPBACK_NETWORK} -j RETURN"
    yield from found.rules([Jump(sets.LOAD_BALANCER, "dst,dst", LOAD_BALANCER)])
    if found.holds(sets.CLUSTER_IP):
        yield f"{_from_outside(config, node)} -j {names.MARK_MASQ}"
    if found.holds(sets.EXTERNAL_IP):
        yield Jump(sets.EXTERNAL_IP, "dst,dst", names.MARK_MASQ).rule()
    for name in (sets.EXTERNAL_IP, sets.EXTERNAL_IP_LOCAL):
        if found.holds(name):
            yield from _external_ips(name)
    yield f"-m addrtype --dst-type LOCAL -j {NODE_PORT}"
    for name in (sets.CLUSTER_IP, sets.LOAD_BALANCER):
        if found.holds(name):
            yield f"{match(name, 'dst,dst')} -j ACCEPT"


def _from_outside(config: KubeProxy, node: Node) -> str:
    """Match traffic to ClusterIPs that is no pod's: its answer must come back this way.

    Without a way to tell, only the node's own, which has a ClusterIP for its source.
    """
    detector = local_detector(config, node)
    if config.masquerade_all:
        return f"{said(sets.CLUSTER_IP)} {match(sets.CLUSTER_IP, 'dst,dst')}"
    if not detector.is_implemented:
        return f"{said(sets.CLUSTER_IP)} {match(sets.CLUSTER_IP, 'src,dst')}"
    return f"! {detector.if_local} {said(sets.CLUSTER_IP)} {match(sets.CLUSTER_IP, 'dst,dst')}"


def _external_ips(name: str) -> Iterator[str]:
    """Accept traffic to externalIPs from other machines, and to those that the node has itself."""
    which = f"{said(name)} {match(name, 'dst,dst')}"
    yield f"{which} -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT"
    yield f"{which} -m addrtype --dst-type LOCAL -j ACCEPT"


def _node_ports() -> Iterator[Jump]:
    for protocol, name in sets.NODE_PORT.items():
        directions = "dst" if sets.SETS[name].type == "bitmap:port" else "dst,dst"
        kind = protocol.lower()
        # What keeps its source returns before the rule that would mark it.
        yield Jump(sets.NODE_PORT_LOCAL[protocol], directions, "RETURN", kind)
        yield Jump(name, directions, names.MARK_MASQ, kind)


def _forward(mark: str) -> tuple[str, ...]:
    rules = comment("kubernetes forwarding rules")
    replies = comment("kubernetes forwarding conntrack rule")
    return (
        f"{rules} -m mark --mark {mark}/{mark} -j ACCEPT",
        f"{replies} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    )


def _ipvs_filter() -> Iterator[str]:
    """Keep the ports of the node itself from being reached through a Service's address.

    The addresses are bound on the node, so whatever listens there would answer (kubernetes#72236).
    """
    for name in (
        sets.LOAD_BALANCER,
        sets.CLUSTER_IP,
        sets.EXTERNAL_IP,
        sets.EXTERNAL_IP_LOCAL,
    ):
        yield f"{match(name, 'dst,dst')} -j RETURN"
    yield f"{match(sets.HEALTH_CHECK, 'dst')} -j RETURN"
    yield f"-m conntrack --ctstate NEW {match(sets.IPVS_IPS, 'dst')} -j {REJECT}"


def _postrouting(mark: str, found: Filled, *, without: bool) -> Iterator[str]:
    """SNAT for what carries the mark and for hairpins; ``without`` leaves it out."""
    if not without:
        yield from found.rules([Jump(sets.LOOP_BACK, "dst,dst,src", "MASQUERADE")])
    yield f"-m mark ! --mark {mark}/{mark} -j RETURN"
    # The mark goes before the packet meets an overlay and comes by here a second time.
    yield f"-j MARK --set-xmark {mark}/0x0"
    if not without:
        yield f"{comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully"
