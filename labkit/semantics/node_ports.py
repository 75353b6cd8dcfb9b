"""On which of a node's addresses NodePorts answer.

Source: kubernetes v1.36 pkg/proxy/util/nodeport_addresses.go; pkg/proxy/iptables/proxier.go,
NewProxier, for localhost; pkg/proxy/nftables/proxier.go, NewProxier, for the default.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import KubeProxy, Node
from labkit.semantics.traits import Trait

ON_LOCALHOST: Final = frozenset({Trait.LOCALHOST_NODE_PORTS, Trait.HANGS_ON_LOCALHOST})


def is_served(
    config: KubeProxy, node: Node, address: IPv4Address, traits: frozenset[Trait]
) -> bool:
    """Whether NodePorts answer on ``address`` of ``node``."""
    ranges = config.node_port_addresses
    within = any(address in cidr for cidr in ranges)
    if address.is_loopback:
        allowed = config.localhost_node_ports and (not ranges or within)
        return allowed and bool(traits & ON_LOCALHOST)
    if not ranges and Trait.PRIMARY_NODE_PORTS in traits:
        return address == node.address
    return not ranges or within
