"""What is in kube-proxy's table whatever the Services are: its sets and maps, and its hooks.

Source: kubernetes v1.36 pkg/proxy/nftables/proxier.go, nftablesBaseChains, nftablesJumpChains and
setupNFTables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from labkit.dataplane.nftables import names

ADDRESS: Final = "ipv4_addr"
PORT: Final = "inet_proto . inet_service"
COLLECTIONS: Final[tuple[tuple[str, str, str], ...]] = (
    (
        names.HAIRPIN_CONNECTIONS,
        f"{ADDRESS} . {ADDRESS} . {PORT}",
        "service hairpin connections",
    ),
    (names.CLUSTER_IPS, ADDRESS, "Active ClusterIPs"),
    (names.NODEPORT_IPS, ADDRESS, "IPs that accept NodePort traffic"),
    (
        names.NO_ENDPOINT_SERVICES,
        f"{ADDRESS} . {PORT} : verdict",
        "vmap to drop or reject packets to services with no endpoints",
    ),
    (
        names.NO_ENDPOINT_NODEPORTS,
        f"{PORT} : verdict",
        "vmap to drop or reject packets to service nodeports with no endpoints",
    ),
    (
        names.FIREWALL_IPS,
        f"{ADDRESS} . {PORT} : verdict",
        "destinations that are subject to LoadBalancerSourceRanges",
    ),
    (
        names.SERVICE_IPS,
        f"{ADDRESS} . {PORT} : verdict",
        "ClusterIP, ExternalIP and LoadBalancer IP traffic",
    ),
    (names.SERVICE_NODEPORTS, f"{PORT} : verdict", "NodePort traffic"),
)
"""Name, type and comment of the sets and maps, in the order in which kube-proxy makes them."""

HOOKS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "filter-prerouting-pre-dnat": (
        "filter hook prerouting priority dstnat - 10",
        (f"ct state new jump {names.FIREWALL_CHECK}",),
    ),
    "filter-output-pre-dnat": (
        "filter hook output priority -110",
        (f"ct state new jump {names.FIREWALL_CHECK}",),
    ),
    "filter-input": (
        "filter hook input priority filter",
        (
            f"ct state new jump {names.NODEPORT_ENDPOINTS_CHECK}",
            f"ct state new jump {names.SERVICE_ENDPOINTS_CHECK}",
        ),
    ),
    "filter-forward": (
        "filter hook forward priority filter",
        (
            f"ct state new jump {names.SERVICE_ENDPOINTS_CHECK}",
            f"ct state new jump {names.CLUSTER_IPS_CHECK}",
        ),
    ),
    "filter-output": (
        "filter hook output priority filter",
        (
            f"ct state new jump {names.SERVICE_ENDPOINTS_CHECK}",
            f"ct state new jump {names.CLUSTER_IPS_CHECK}",
        ),
    ),
    "nat-prerouting": ("nat hook prerouting priority dstnat", (f"jump {names.SERVICES}",)),
    "nat-output": ("nat hook output priority -100", (f"jump {names.SERVICES}",)),
    "nat-postrouting": ("nat hook postrouting priority srcnat", (f"jump {names.MASQUERADING}",)),
}
"""Where packets enter, and the chains to which they are sent from there.

Source ranges and endpoints are judged in different places, as only a packet that was not yet
translated has the load balancer's address, and reject is for input, forward and output alone.
"""
