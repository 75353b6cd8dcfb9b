"""Renders everything that kube-proxy's nftables mode installs on a node, and the CNI's rule.

Differs from kube-proxy: only the table of IPv4 is there, as labkit's clusters have no IPv6 yet; and
no rule drops traffic to cluster IPs that no Service has, which kube-proxy adds for each ServiceCIDR
object: a lab has none.

Source: kubernetes v1.36 pkg/proxy/nftables/proxier.go, setupNFTables and syncProxyRules; KEP-3866.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, Node, Service, ServicePort
from labkit.cluster.topology import categorize
from labkit.dataplane import cni, firewall
from labkit.dataplane.nftables import names
from labkit.dataplane.nftables.layout import COLLECTIONS, HOOKS
from labkit.dataplane.nftables.matches import local_detector, set_mark
from labkit.dataplane.nftables.rules import (
    Chain,
    Collection,
    Element,
    NftRuleset,
    NftTable,
    PortObjects,
    count_holders,
)
from labkit.dataplane.nftables.service import Options, port_objects
from labkit.dataplane.node_addresses import node_port_addresses
from labkit.dataplane.parts import Parts, changed_parts, render_parts
from labkit.dataplane.rules import Ruleset
from labkit.dataplane.rules import table as iptables_table

CNI_TABLE: Final = "cni"

TO_PORT: Final = "meta l4proto . th dport"
TO_ADDRESS_PORT: Final = f"ip daddr . {TO_PORT}"


def render(cluster: Cluster, node: Node, previous: NftRuleset | None = None) -> NftRuleset:
    """Return all tables of ``node``; Services in their order, which kube-proxy leaves to chance.

    Args:
        cluster: the desired state.
        node: whose rules.
        previous: what was rendered before, of which Services that did not change keep their part.
    """
    addresses = _node_port_ips(cluster, node)
    chains = [*_hooked(), *_fixed(cluster, node, anywhere=addresses is None)]
    sets = _collections(addresses)
    table = NftTable(
        name=names.TABLE,
        comment="rules for kube-proxy",
        collections={each.name: each for each in sets},
        chains={each.name: each for each in chains},
    )
    previous = previous or NftRuleset()
    services = _services(cluster, node, previous.services)
    changes = changed_parts(previous.services, services)
    return NftRuleset(
        (table, *cni_tables(cluster)),
        iptables_beside(cluster, node),
        services,
        count_holders(previous.holders, changes),
    )


def iptables_beside(cluster: Cluster, node: Node) -> Ruleset:
    """What is there with iptables: host ports, whose plugin uses it, and the node's firewall."""
    chains = cni.nat_chains(cluster, node, {})
    host_ports = (iptables_table("nat", chains),) if chains else ()
    return Ruleset((*firewall.own_table(node), *host_ports))


def cni_tables(cluster: Cluster) -> tuple[NftTable, ...]:
    """The CNI plugin's own rule: pods are hidden from everything outside the pod network.

    It comes after kube-proxy's, by its priority: what kube-proxy masquerades must lose its mark
    there, and one masquerading ends the search of a packet.

    Source: `labkit.dataplane.cni` has the same rule for iptables.
    """
    if not cluster.network.pod_masquerade:
        return ()
    pods = cluster.network.pod_cidr
    chain = Chain(
        name="postrouting",
        hook="type nat hook postrouting priority srcnat + 1; policy accept;",
        rules=(f'ip saddr {pods} ip daddr != {pods} masquerade comment "cni-masq"',),
    )
    return (NftTable(name=CNI_TABLE, chains={chain.name: chain}),)


def _services(cluster: Cluster, node: Node, previous: Parts[PortObjects]) -> Parts[PortObjects]:
    """The chains and elements of every Service port."""
    detector = local_detector(cluster.kube_proxy, node)
    options = Options(node=node, config=cluster.kube_proxy, detector=detector)

    def write(service: Service, port: ServicePort, endpoints: tuple[Endpoint, ...]) -> PortObjects:
        return port_objects(service, port, categorize(service, port, endpoints, node), options)

    return render_parts(cluster, options, previous, write)


def _node_port_ips(cluster: Cluster, node: Node) -> tuple[IPv4Address, ...] | None:
    """Addresses on which NodePorts answer; None for every one.

    Without nodePortAddresses that is the node's primary address alone. Localhost is never among
    them: kube-proxy warns that it is not supported.
    """
    if not cluster.kube_proxy.node_port_addresses:
        return (node.address,)
    addresses = node_port_addresses(cluster, node)
    if addresses is None:
        return None
    return tuple(address for address in addresses if not address.is_loopback)


def _collections(node_port_ips: Sequence[IPv4Address] | None) -> Iterator[Collection]:
    """Every set and map, without the elements of Services."""
    for name, kind, said in COLLECTIONS:
        held = node_port_ips if name == names.NODEPORT_IPS else ()
        if held is not None:
            yield Collection(
                name=name,
                kind="map" if kind.endswith("verdict") else "set",
                definition=(f"type {kind}", f'comment "{said}"'),
                elements={str(address): Element() for address in held},
            )


def _hooked() -> Iterator[Chain]:
    for name, (hook, rules) in HOOKS.items():
        yield Chain(name=name, hook=f"type {hook}; policy accept;", rules=rules)


def _fixed(cluster: Cluster, node: Node, *, anywhere: bool) -> Iterator[Chain]:
    """Chains that are there without any Service."""
    local = "ip daddr != 127.0.0.0/8" if anywhere else f"ip daddr @{names.NODEPORT_IPS}"
    refused_node_port = f"{local} {TO_PORT} vmap @{names.NO_ENDPOINT_NODEPORTS}"
    yield Chain(name=names.NODEPORT_ENDPOINTS_CHECK, rules=(refused_node_port,))
    refused = f"{TO_ADDRESS_PORT} vmap @{names.NO_ENDPOINT_SERVICES}"
    yield Chain(name=names.SERVICE_ENDPOINTS_CHECK, rules=(refused,))
    limited = f"{TO_ADDRESS_PORT} vmap @{names.FIREWALL_IPS}"
    yield Chain(name=names.FIREWALL_CHECK, rules=(limited,))
    # The check above is for packets that have arrived; these may yet be forwarded.
    here = f"fib daddr type local {local}" if anywhere else local
    dispatch = (
        f"{TO_ADDRESS_PORT} vmap @{names.SERVICE_IPS}",
        f"{here} {TO_PORT} vmap @{names.SERVICE_NODEPORTS}",
    )
    yield Chain(name=names.SERVICES, rules=(*_mark_cluster_ips(cluster, node), *dispatch))
    yield Chain(name=names.MASQUERADING, rules=_masquerading(cluster))
    said = "Reject traffic to invalid ports of ClusterIPs"
    unknown = f'ip daddr @{names.CLUSTER_IPS} reject comment "{said}"'
    yield Chain(name=names.CLUSTER_IPS_CHECK, rules=(unknown,))
    helped = f"@{names.NO_ENDPOINT_SERVICES} / @{names.NO_ENDPOINT_NODEPORTS}"
    yield Chain(name=names.REJECT, rules=("reject",), comment=f"helper for {helped}")


def _mark_cluster_ips(cluster: Cluster, node: Node) -> Iterator[str]:
    """Traffic to cluster IPs that is no pod's: its answer must come back this way."""
    config, detector = cluster.kube_proxy, local_detector(cluster.kube_proxy, node)
    to_service = f"ip daddr @{names.CLUSTER_IPS}"
    said = "masquerade clusterIP traffic"
    if config.masquerade_all:
        yield f"{to_service} {set_mark(config.masquerade_mark, said)}"
    elif detector.is_implemented:
        mark = set_mark(config.masquerade_mark, f"{said} from outside cluster")
        yield f"{to_service} {detector.if_not_local} {mark}"


def _masquerading(cluster: Cluster) -> tuple[str, ...]:
    """SNAT for what carries the mark and for what comes back to its sender.

    Without it, which shows what it is for, only the mark goes, as in the iptables mode.
    """
    mark = f"{cluster.kube_proxy.masquerade_mark:#010x}"
    # The mark goes before the packet meets an overlay and comes by here a second time.
    unmark = f"meta mark & {mark} != {0:#010x} meta mark set meta mark ^ {mark}"
    if not cluster.masquerades:
        return (unmark,)
    key = "ip saddr . ip daddr . meta l4proto . th dport"
    return (
        f"{unmark} masquerade fully-random",
        f"ct status dnat {key} @{names.HAIRPIN_CONNECTIONS} masquerade fully-random",
    )
