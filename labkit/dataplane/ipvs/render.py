"""Renders everything that kube-proxy's IPVS mode keeps on a node.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncProxyRules.
"""

from __future__ import annotations

from labkit.cluster.model import Cluster, Endpoint, Node, Service, ServicePort
from labkit.dataplane.ipvs.chains import chains
from labkit.dataplane.ipvs.merged import Merged, merge
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.service import options, port_tables
from labkit.dataplane.ipvs.sets import Filled
from labkit.dataplane.ipvs.tables import PortTables
from labkit.dataplane.parts import changed_parts, render_parts


def render(cluster: Cluster, node: Node, previous: IpvsRules | None = None) -> IpvsRules:
    """Return everything that ``node`` holds.

    Args:
        cluster: the desired state.
        node: whose rules.
        previous: what was rendered before, of which Services that did not change keep their part.
    """
    about = options(cluster, node)

    def write(service: Service, port: ServicePort, endpoints: tuple[Endpoint, ...]) -> PortTables:
        return port_tables(service, port, endpoints, about)

    before = previous or IpvsRules()
    parts = render_parts(cluster, about, before.parts if previous else None, write)
    merged = merge(before.merged, changed_parts(before.parts, parts))
    chains_from = _chains_from(cluster, node, merged)
    if previous is not None and previous.chains_from == chains_from:
        iptables = previous.iptables
    else:
        iptables = chains(cluster, node, Filled(merged.filled), merged.refused_to_node)
    return IpvsRules(parts=parts, iptables=iptables, merged=merged, chains_from=chains_from)


def _chains_from(cluster: Cluster, node: Node, merged: Merged) -> object:
    """Everything that the chains depend on: they ask the ipsets, so most changes leave them."""
    return (
        node,
        cluster.kube_proxy,
        cluster.network,
        cluster.without,
        cluster.pods,
        merged.filled,
        merged.refused_to_node,
    )
