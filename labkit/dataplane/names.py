"""Names of kube-proxy's chains, and the hash that ends those of one Service port.

Source: kubernetes v1.36 pkg/proxy/iptables/proxier.go, portProtoHash and
servicePortEndpointChainName.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import product
from typing import Final

from labkit.cluster.model import Protocol
from labkit.cluster.object_names import ServicePortName

SERVICES: Final = "KUBE-SERVICES"
EXTERNAL_SERVICES: Final = "KUBE-EXTERNAL-SERVICES"
NODEPORTS: Final = "KUBE-NODEPORTS"
POSTROUTING: Final = "KUBE-POSTROUTING"
MARK_MASQ: Final = "KUBE-MARK-MASQ"
FORWARD: Final = "KUBE-FORWARD"
PROXY_FIREWALL: Final = "KUBE-PROXY-FIREWALL"
FIREWALL: Final = "KUBE-FIREWALL"
"""kubelet's; kube-proxy keeps a copy, as it is kube-proxy that opens the hole which this closes."""
CANARY: Final = "KUBE-PROXY-CANARY"

PAIRS: Final = [
    first + second for first, second in product("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", repeat=2)
]
"""Base32 (RFC 4648), two characters at a time: `base64.b32encode` takes five times as long."""
SHIFTS: Final = range(70, -1, -10)


@lru_cache(maxsize=16)
def port_proto_hash(name: ServicePortName, protocol: Protocol, endpoint: str = "") -> str:
    """Return the 16 base32 characters that end a chain's name.

    Sixteen keep ``KUBE-SVC-`` plus the hash inside the 28 characters of an iptables chain name.
    """
    digest = hashlib.sha256(f"{name}{protocol.lower()}{endpoint}".encode()).digest()
    bits = int.from_bytes(digest[:10])
    return "".join(PAIRS[bits >> shift & 1023] for shift in SHIFTS)


def service_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Cluster policy: picks any endpoint in the cluster."""
    return f"KUBE-SVC-{port_proto_hash(name, protocol)}"


def local_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Local policy: picks an endpoint on this node."""
    return f"KUBE-SVL-{port_proto_hash(name, protocol)}"


def external_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Traffic to NodePorts, externalIPs and LoadBalancer addresses."""
    return f"KUBE-EXT-{port_proto_hash(name, protocol)}"


def firewall_chain(name: ServicePortName, protocol: Protocol) -> str:
    """loadBalancerSourceRanges: lets the named ranges go on."""
    return f"KUBE-FW-{port_proto_hash(name, protocol)}"


def endpoint_chain(name: ServicePortName, protocol: Protocol, endpoint: str) -> str:
    """DNAT to one endpoint."""
    return f"KUBE-SEP-{port_proto_hash(name, protocol, endpoint)}"
