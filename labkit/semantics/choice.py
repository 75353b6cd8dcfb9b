"""What a node's rules decide for a flow: which endpoints, and whether it is masqueraded.

Source: kubernetes v1.36 pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go,
syncProxyRules; pkg/proxy/ipvs/proxier.go, syncProxyRules, syncEndpoint and writeIptablesRules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import Cluster, Endpoint, Service, ServicePort
from labkit.cluster.topology import Categorized, categorize
from labkit.semantics.arrival import Arrival, is_local_traffic, way_of_router
from labkit.semantics.flows import REFUSED, TIMED_OUT, Flow, Outcome
from labkit.semantics.traits import Trait

Traits = frozenset[Trait]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where a flow is sent."""

    endpoints: tuple[Endpoint, ...] = ()
    otherwise: Outcome = REFUSED
    """What becomes of it without an endpoint."""
    masquerade: bool = False
    source: IPv4Address | None = None
    """The source of a node's own call, if it is not the one that it would have anyway."""
    knows_hairpins: bool = False
    """Whether a pod of another node is masqueraded on its way to itself."""


def choose(
    cluster: Cluster, flow: Flow, port: ServicePort, came: Arrival, traits: Traits
) -> Choice:
    """Return what the rules of the node that a flow came to decide."""
    found = _choose(cluster, flow, port, came, traits)
    bound = came.own and flow.via != "NodePort" and Trait.VIP_IS_OWN_SOURCE in traits
    return replace(
        found,
        # Of an address that a node has, it calls from that very address.
        source=flow.address if bound else None,
        knows_hairpins=Trait.HAIRPIN_ANYWHERE in traits,
    )


def _choose(
    cluster: Cluster, flow: Flow, port: ServicePort, came: Arrival, traits: Traits
) -> Choice:
    service = flow.service
    known = cluster.endpoints.get(service.port_name(port), ())
    endpoints = categorize(service, port, known, came.node)
    if flow.via == "ClusterIP":
        return _internal(cluster, service, came, endpoints, traits)
    if flow.via == "LoadBalancer" and service.source_ranges:
        needs = {Trait.RANGES_NEED_ENDPOINTS}
        needs |= {Trait.OWN_RANGES_NEED_ENDPOINTS} if came.own else set()
        guarded = endpoints.has_any or not needs & traits
        if guarded and not _is_let_in(service, came, traits):
            return Choice(otherwise=TIMED_OUT)
    goes = came.own and flow.via != "NodePort" and Trait.LETS_OWN_CALLS_GO in traits
    if goes and not endpoints.has_any:
        return Choice(otherwise=_elsewhere(cluster, flow, came))
    if not service.external_policy_local:
        return Choice(endpoints=endpoints.cluster, masquerade=True)
    return _external_local(cluster, flow, came, endpoints, traits)


def _internal(
    cluster: Cluster, service: Service, came: Arrival, endpoints: Categorized, traits: Traits
) -> Choice:
    used = endpoints.cluster
    if service.internal_policy_local:
        fallback = endpoints.cluster if Trait.FALLS_BACK in traits else ()
        used = endpoints.local or fallback
    local = is_local_traffic(cluster, came)
    unknown = came.own and Trait.MASQUERADES_OWN_CALLS in traits
    masquerade = cluster.kube_proxy.masquerade_all or (unknown if local is None else not local)
    return Choice(
        endpoints=used, otherwise=_without_endpoints(endpoints, traits), masquerade=masquerade
    )


def _external_local(
    cluster: Cluster, flow: Flow, came: Arrival, endpoints: Categorized, traits: Traits
) -> Choice:
    """Pods and the node itself are no outsiders: most data planes let them reach everything."""
    inside = came.own or is_local_traffic(cluster, came) is True
    fallback = endpoints.cluster if Trait.FALLS_BACK in traits else ()
    used = endpoints.local or fallback
    if inside and Trait.OWN_ENDPOINTS_FIRST not in traits:
        used = endpoints.cluster
    keeps = Trait.NODE_PORT_IS_OWN_SOURCE if flow.via == "NodePort" else Trait.VIP_IS_OWN_SOURCE
    return Choice(
        endpoints=used,
        otherwise=_without_endpoints(endpoints, traits),
        masquerade=came.own and keeps not in traits,
    )


def _elsewhere(cluster: Cluster, flow: Flow, came: Arrival) -> Outcome:
    """What a call without endpoints comes to that left for the router: another node refuses it."""
    node = way_of_router(cluster, flow.address)
    return TIMED_OUT if node is None or node == came.node else REFUSED


def _without_endpoints(endpoints: Categorized, traits: Traits) -> Outcome:
    dropped = endpoints.has_any and Trait.REFUSES_WITHOUT_ENDPOINTS not in traits
    return TIMED_OUT if dropped else REFUSED


def _is_let_in(service: Service, came: Arrival, traits: Traits) -> bool:
    ranges = service.source_ranges
    if came.own:
        return any(came.node.address in cidr for cidr in ranges)
    return any(came.source in cidr for cidr in ranges if _counts(cidr, traits))


def _counts(cidr: IPv4Network, traits: Traits) -> bool:
    return bool(cidr.prefixlen) or Trait.SKIPS_ANY_RANGE not in traits
