"""A node's own addresses, and those of them on which NodePorts answer.

Source: kubernetes v1.36 pkg/proxy/util/nodeport_addresses.go, NewNodePortAddresses and GetNodeIPs.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.cluster.lookup import LOCALHOST, node_addresses
from labkit.cluster.model import Cluster, KubeProxy, Node

LOOPBACK_NETWORK: Final = IPv4Network("127.0.0.0/8")


def own_addresses(cluster: Cluster, node: Node) -> tuple[IPv4Address, ...]:
    """Every address of ``node``'s interfaces, loopback last."""
    return (*node_addresses(cluster, node), LOCALHOST)


def node_port_addresses(cluster: Cluster, node: Node) -> tuple[IPv4Address, ...] | None:
    """Addresses on which NodePorts answer by nodePortAddresses; None for every one."""
    config = cluster.kube_proxy
    if _is_everything(config):
        return None
    return tuple(
        address
        for address in own_addresses(cluster, node)
        if any(address in cidr for cidr in config.node_port_addresses)
        and (config.localhost_node_ports or not address.is_loopback)
    )


def serves_localhost(config: KubeProxy) -> bool:
    """Whether NodePorts answer on 127.0.0.1, for which a node must route that network.

    nodePortAddresses without that network count as localhostNodePorts off (proxier.go, NewProxier).
    """
    included = _is_everything(config) or any(
        cidr.overlaps(LOOPBACK_NETWORK) for cidr in config.node_port_addresses
    )
    return config.localhost_node_ports and included


def _is_everything(config: KubeProxy) -> bool:
    ranges = config.node_port_addresses
    return not ranges or any(cidr.prefixlen == 0 for cidr in ranges)
