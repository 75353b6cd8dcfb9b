"""Renders everything that kube-proxy's IPVS mode keeps on a node.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncProxyRules.
"""

from __future__ import annotations

from labkit.cluster.model import Cluster, Node
from labkit.cluster.topology import categorize, is_proxied
from labkit.dataplane.ipvs.chains import chains
from labkit.dataplane.ipvs.service import PortServers, Servers
from labkit.dataplane.ipvs.tables import IpvsRules


def render(cluster: Cluster, node: Node) -> IpvsRules:
    """Return everything that ``node`` holds."""
    servers = Servers()
    for service, port in cluster.service_ports():
        if service.cluster_ip is None or not is_proxied(service):
            continue
        known = cluster.endpoints.get(service.port_name(port), ())
        PortServers(
            cluster=cluster,
            node=node,
            service=service,
            port=port,
            cluster_ip=service.cluster_ip,
            known=known,
            endpoints=categorize(service, port, known, node),
            out=servers,
        ).write()
    return IpvsRules(
        virtual_servers=servers.in_order(),
        ipsets=servers.sets.ipsets(),
        addresses=tuple(sorted(servers.addresses)),
        iptables=chains(cluster, node, servers.sets, servers.refused_to_node),
    )
