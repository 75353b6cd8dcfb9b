"""Names of kube-proxy's nftables objects, and the chains of one Service port.

A name says which Service it is for; the hash in front of it keeps names apart that are alike.

Source: kubernetes v1.36 pkg/proxy/nftables/proxier.go, hashAndTruncate, servicePortChainNameBase
and servicePortEndpointChainNameBase.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Final

from labkit.cluster.model import Endpoint, Protocol
from labkit.cluster.object_names import ServicePortName

TABLE: Final = "kube-proxy"

SERVICES: Final = "services"
MASQUERADING: Final = "masquerading"
FIREWALL_CHECK: Final = "firewall-check"
SERVICE_ENDPOINTS_CHECK: Final = "service-endpoints-check"
NODEPORT_ENDPOINTS_CHECK: Final = "nodeport-endpoints-check"
CLUSTER_IPS_CHECK: Final = "cluster-ips-check"
REJECT: Final = "reject-chain"
"""``reject`` is no verdict, so that a map can only lead to a chain that does it."""

SERVICE_IPS: Final = "service-ips"
SERVICE_NODEPORTS: Final = "service-nodeports"
NO_ENDPOINT_SERVICES: Final = "no-endpoint-services"
NO_ENDPOINT_NODEPORTS: Final = "no-endpoint-nodeports"
FIREWALL_IPS: Final = "firewall-ips"
CLUSTER_IPS: Final = "cluster-ips"
NODEPORT_IPS: Final = "nodeport-ips"
HAIRPIN_CONNECTIONS: Final = "hairpin-connections"

LONGEST: Final = 256 - 16
"""Characters of a name without its prefix, which is 16 at most (knftables, NameLengthMax)."""
ELLIPSIS: Final = "..."


@lru_cache(maxsize=16)
def port_base(name: ServicePortName, protocol: Protocol) -> str:
    """What the names of all chains of one Service port end in."""
    return _with_hash(_port(name, protocol))


def endpoint_base(name: ServicePortName, protocol: Protocol, endpoint: Endpoint) -> str:
    """What the names of the chain and the set of one endpoint end in."""
    return _with_hash(f"{_port(name, protocol)}__{endpoint.address}/{endpoint.port}")


def service_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Cluster policy: picks any endpoint in the cluster."""
    return f"service-{port_base(name, protocol)}"


def local_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Local policy: picks an endpoint on this node."""
    return f"local-{port_base(name, protocol)}"


def external_chain(name: ServicePortName, protocol: Protocol) -> str:
    """Traffic to NodePorts, externalIPs and LoadBalancer addresses."""
    return f"external-{port_base(name, protocol)}"


def firewall_chain(name: ServicePortName, protocol: Protocol) -> str:
    """loadBalancerSourceRanges: drops what is not from them."""
    return f"firewall-{port_base(name, protocol)}"


def endpoint_chain(name: ServicePortName, protocol: Protocol, endpoint: Endpoint) -> str:
    """DNAT to one endpoint of a Service with session affinity."""
    return f"endpoint-{endpoint_base(name, protocol, endpoint)}"


def affinity_set(name: ServicePortName, protocol: Protocol, endpoint: Endpoint) -> str:
    """Sources that are held to one endpoint."""
    return f"affinity-{endpoint_base(name, protocol, endpoint)}"


def _port(name: ServicePortName, protocol: Protocol) -> str:
    return f"{name.namespace}/{name.name}/{protocol.lower()}/{name.port}"


def _with_hash(name: str) -> str:
    digest = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
    hashed = f"{digest[:8]}-{name}"
    if len(hashed) <= LONGEST:
        return hashed
    return hashed[: LONGEST - len(ELLIPSIS)] + ELLIPSIS
