"""What sets one data plane apart from another, one trait for each behaviour.

A trait is a fact about the code of a data plane; `labkit.semantics.deviations` tells people what it
means for their Services.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from labkit.cluster.model import RealKubeProxy
from labkit.errors import UsageError

REAL: Final = "kube-proxy"


class Trait(StrEnum):
    """One behaviour that some data planes have and others lack."""

    SERVES = "services-are-served"
    """It makes rules for Services at all."""
    LOCALHOST_NODE_PORTS = "localhost-node-ports"
    """NodePorts answer on 127.0.0.1, if the configuration allows it."""
    PRIMARY_NODE_PORTS = "node-ports-on-primary-address"
    """Without nodePortAddresses, NodePorts answer on the node's primary address alone."""
    OWN_ENDPOINTS_FIRST = "own-endpoints-first"
    """Pods and nodes get the Local policy too: no short-circuit to every endpoint."""
    FALLS_BACK = "local-falls-back"
    """Under a Local policy a node without an endpoint of its own uses all of them."""
    REFUSES_WITHOUT_ENDPOINTS = "refused-not-dropped"
    """Where a Local policy leaves no endpoint, calls are refused; others drop them."""
    VIP_IS_OWN_SOURCE = "vip-as-source"
    """A node's own call to a Local external address carries that address as its source."""
    NODE_PORT_IS_OWN_SOURCE = "own-node-port-without-masquerade"
    """A node's own call to its Local NodePort is not masqueraded."""
    MASQUERADES_OWN_CALLS = "own-cluster-ip-calls-masqueraded"
    """A node's own calls to ClusterIPs are masqueraded also without local-traffic detection."""
    REFUSES_CLUSTER_IP_PORTS = "other-cluster-ip-ports-refused"
    """Ports of a ClusterIP that no Service has are refused."""
    REFUSES_EXTERNAL_PORTS = "other-external-ports-refused"
    """Ports of an external address that no Service has are refused."""
    SKIPS_ANY_RANGE = "range-of-everything-ignored"
    """0.0.0.0/0 among loadBalancerSourceRanges lets nobody in."""
    RANGES_NEED_ENDPOINTS = "source-ranges-need-endpoints"
    """loadBalancerSourceRanges guard nothing while a Service has no endpoint."""
    OWN_RANGES_NEED_ENDPOINTS = "source-ranges-need-endpoints-for-nodes"
    """The same, but only for calls by a node itself."""
    LETS_OWN_CALLS_GO = "own-external-calls-not-refused"
    """A node's own call to an external address without endpoints is not refused, but leaves."""
    DROPS_ANYWHERE = "empty-node-ports-drop-anywhere"
    """A Local NodePort without an endpoint on the node drops calls to any address of the node."""
    HAIRPIN_ANYWHERE = "hairpin-through-another-node"
    """A pod is masqueraded on its way to itself also by a node that is not its own."""
    ANSWERS_PING = "cluster-ip-answers-ping"
    """Addresses of Services are bound on every node, which answers ICMP echo requests for them."""
    AFFINITY_PER_ADDRESS = "affinity-per-address"
    """Session affinity holds for one address of a Service, not for all of them."""
    FORWARDS_INVALID = "out-of-window-packets-forwarded"
    """An answer outside of its connection's window is neither translated nor dropped."""
    LEAVES_HEALTH_CHECKS_CLOSED = "health-check-ports-behind-firewall"
    """healthCheckNodePorts are not accepted before a node's own firewall is asked."""
    SCHEDULES = "scheduler"
    """A scheduler chooses endpoints, round robin by default; elsewhere each choice is random."""
    IGNORES_INTERNAL_POLICY = "internal-policy-unknown"
    """internalTrafficPolicy: Local is read as Cluster."""
    IGNORES_TERMINATING = "terminating-endpoints-unknown"
    """Endpoints that terminate are not used, also where there are no others."""
    IGNORES_HINTS = "hints-unknown"
    """Hints of endpoints are not looked at."""
    IGNORES_IP_MODE = "ip-mode-unknown"
    """ipMode: Proxy is read as VIP."""
    EXTERNAL_IPS_FOR_OUTSIDERS = "external-ips-for-outsiders"
    """A node leaves calls of its own and of its pods to an externalIP to the network."""
    HANGS_ON_LOCALHOST = "localhost-node-ports-hang"
    """NodePorts on 127.0.0.1 lead to pods, but from a source that cannot leave the node."""
    LETS_DROPPED_CALLS_GO = "dropped-calls-go-on"
    """Calls to external addresses that rules would drop are not served, but go on."""


_IPTABLES: Final = frozenset(
    {
        Trait.SERVES,
        Trait.LOCALHOST_NODE_PORTS,
        Trait.RANGES_NEED_ENDPOINTS,
        Trait.LETS_OWN_CALLS_GO,
        Trait.DROPS_ANYWHERE,
        Trait.HAIRPIN_ANYWHERE,
    }
)
TRAITS: Final[Mapping[str, frozenset[Trait]]] = {
    "iptables": _IPTABLES,
    "ipvs": frozenset(
        {
            Trait.SERVES,
            Trait.OWN_ENDPOINTS_FIRST,
            Trait.FALLS_BACK,
            Trait.REFUSES_WITHOUT_ENDPOINTS,
            Trait.VIP_IS_OWN_SOURCE,
            Trait.NODE_PORT_IS_OWN_SOURCE,
            Trait.MASQUERADES_OWN_CALLS,
            Trait.REFUSES_CLUSTER_IP_PORTS,
            Trait.REFUSES_EXTERNAL_PORTS,
            Trait.SKIPS_ANY_RANGE,
            Trait.OWN_RANGES_NEED_ENDPOINTS,
            Trait.ANSWERS_PING,
            Trait.AFFINITY_PER_ADDRESS,
            Trait.SCHEDULES,
        }
    ),
    "nftables": frozenset(
        {
            Trait.SERVES,
            Trait.PRIMARY_NODE_PORTS,
            Trait.REFUSES_CLUSTER_IP_PORTS,
            Trait.FORWARDS_INVALID,
            Trait.LEAVES_HEALTH_CHECKS_CLOSED,
        }
    ),
    "none": frozenset(),
}
"""By the Lab's word for the data plane: of labkit's own, which are as new as Kubernetes 1.36."""


class Age(NamedTuple):
    """A trait that older kube-proxies have and newer ones lack, or the other way around."""

    trait: Trait
    until: tuple[int, int]
    """The first release that is as `TRAITS` says."""
    modes: frozenset[str] = frozenset({"iptables", "ipvs", "nftables"})


AGES: Final = (
    Age(Trait.EXTERNAL_IPS_FOR_OUTSIDERS, (1, 21), frozenset({"iptables"})),
    Age(Trait.LEAVES_HEALTH_CHECKS_CLOSED, (1, 21), frozenset({"iptables", "ipvs"})),
    Age(Trait.IGNORES_INTERNAL_POLICY, (1, 22)),
    Age(Trait.HANGS_ON_LOCALHOST, (1, 22), frozenset({"ipvs"})),
    Age(Trait.IGNORES_HINTS, (1, 24)),
    Age(Trait.FALLS_BACK, (1, 24), frozenset({"ipvs"})),
    Age(Trait.DROPS_ANYWHERE, (1, 25), frozenset({"iptables"})),
    Age(Trait.LETS_DROPPED_CALLS_GO, (1, 25), frozenset({"iptables"})),
    Age(Trait.IGNORES_TERMINATING, (1, 26)),
    Age(Trait.IGNORES_IP_MODE, (1, 30)),
)
"""Seen with 1.20.2. What changed them: kubernetes#96296, #97824 (health checks), #101023
(localhost), #97081 (falls back) and #110289 (what is dropped where), or the release that had a
feature on by default: KEP-2086, KEP-2433, KEP-1669, KEP-1860."""


def traits_of(dataplane: str, real: RealKubeProxy | None = None) -> frozenset[Trait]:
    """Return the traits of a data plane.

    Args:
        dataplane: the Lab's word for it.
        real: which program ``kube-proxy`` is. Without one it is taken for one in iptables mode
            that is as new as labkit's own rules.

    Raises:
        UsageError: nothing is known of it.
    """
    if real is not None:
        aged = (age for age in AGES if real.mode in age.modes and real.release < age.until)
        return TRAITS[real.mode] ^ {age.trait for age in aged}
    if dataplane == REAL:
        dataplane = "iptables"
    if dataplane not in TRAITS:
        known = ", ".join((*TRAITS, REAL))
        raise UsageError(f"data plane {dataplane} cannot be compared; there are: {known}")
    return TRAITS[dataplane]
