"""What a node's rules decide for a flow: which endpoints, and whether it is masqueraded.

Source: kubernetes v1.36 pkg/proxy/iptables/proxier.go and pkg/proxy/nftables/proxier.go,
syncProxyRules; pkg/proxy/ipvs/proxier.go, syncProxyRules, syncEndpoint and writeIptablesRules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, Service, ServicePort
from labkit.semantics import because
from labkit.semantics.arrival import Arrival, is_local_traffic, way_of_router
from labkit.semantics.because import Because
from labkit.semantics.endpoints import (
    Usable,
    internal_policy_local,
    is_on_nodes,
    is_proxied,
    usable,
)
from labkit.semantics.flows import REFUSED, TIMED_OUT, Flow, Outcome
from labkit.semantics.traits import Trait

Traits = frozenset[Trait]
INTERNAL: Final = "internalTrafficPolicy"
EXTERNAL: Final = "externalTrafficPolicy"
_Policy = Callable[[str, str], Because]
"""Says of a policy and a node why they lead to some endpoints."""


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
    loses_loopback: bool = False
    """Whether a call from 127.0.0.1 keeps that source, which cannot leave the node."""
    because: tuple[Because, ...] = ()
    """Why these endpoints, or none."""


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
        loses_loopback=Trait.HANGS_ON_LOCALHOST in traits,
    )


def turned_away(cluster: Cluster, flow: Flow, came: Arrival, traits: Traits) -> Because | None:
    """Return why a node leaves a Service's address with endpoints to the network, if it does."""
    service, port = flow.service, flow.port
    if port is None or not is_proxied(service):
        return None
    endpoints = usable(cluster, service, port, came.node, traits)
    if not endpoints.exists:
        return None
    if flow.via == "ExternalIP" and came.inside and Trait.EXTERNAL_IPS_FOR_OUTSIDERS in traits:
        return because.is_for_outsiders(flow.address)
    goes_on = Trait.LETS_DROPPED_CALLS_GO in traits and not came.own and _is_outside(flow, traits)
    return _dropped(cluster, flow, came, endpoints, traits) if goes_on else None


def _dropped(
    cluster: Cluster, flow: Flow, came: Arrival, endpoints: Usable, traits: Traits
) -> Because | None:
    """Why rules would drop an outsider's call to an external address, if they do."""
    service = flow.service
    guarded = flow.via == "LoadBalancer" and bool(service.source_ranges)
    if guarded and not _is_let_in(service, came, traits):
        return because.is_kept_out_but_goes_on(came.source)
    as_pod = is_local_traffic(cluster, came) is True
    if service.external_policy_local and not endpoints.here and not as_pod:
        return because.has_none_here_but_goes_on(came.node.name)
    return None


def _is_outside(flow: Flow, traits: Traits) -> bool:
    """Whether the address is an external one that nodes serve and do not have."""
    if flow.via == "LoadBalancer":
        return is_on_nodes(flow.service, flow.address, traits)
    return flow.via == "ExternalIP"


def _choose(
    cluster: Cluster, flow: Flow, port: ServicePort, came: Arrival, traits: Traits
) -> Choice:
    service = flow.service
    endpoints = usable(cluster, service, port, came.node, traits)
    if flow.via == "ClusterIP":
        return _internal(cluster, service, came, endpoints, traits)
    if flow.via == "LoadBalancer" and service.source_ranges:
        guarded = _is_guarded(service, came, endpoints, traits)
        if guarded and not _is_let_in(service, came, traits):
            return Choice(otherwise=TIMED_OUT, because=(because.is_kept_out(came.source),))
    goes = came.own and flow.via != "NodePort" and Trait.LETS_OWN_CALLS_GO in traits
    if goes and not endpoints.exists:
        outcome = _elsewhere(cluster, flow, came)
        return Choice(otherwise=outcome, because=(because.own_call_leaves(),))
    if service.external_policy_local:
        return _external_local(cluster, flow, came, endpoints, traits)
    return Choice(
        endpoints=endpoints.anywhere,
        masquerade=True,
        because=_why(EXTERNAL, came, endpoints, endpoints.anywhere, because.goes_anywhere),
    )


def _internal(
    cluster: Cluster, service: Service, came: Arrival, endpoints: Usable, traits: Traits
) -> Choice:
    why: _Policy = because.goes_anywhere
    used = endpoints.anywhere
    if internal_policy_local(service, traits):
        used, why = _of_node(endpoints, traits)
    elif service.internal_policy_local:
        why = because.is_not_known
    local = is_local_traffic(cluster, came)
    unknown = came.own and Trait.MASQUERADES_OWN_CALLS in traits
    masquerade = cluster.kube_proxy.masquerade_all or (unknown if local is None else not local)
    otherwise = _without_endpoints(endpoints, traits)
    return Choice(
        endpoints=used,
        otherwise=otherwise,
        masquerade=masquerade,
        because=_why(INTERNAL, came, endpoints, used, why, otherwise),
    )


def _external_local(
    cluster: Cluster, flow: Flow, came: Arrival, endpoints: Usable, traits: Traits
) -> Choice:
    """Pods and the node itself are no outsiders: most data planes let them reach everything.

    A node that calls itself at the address of its pods' bridge counts as a pod: as its source has
    that address too, it is not masqueraded.
    """
    as_pod = is_local_traffic(cluster, came) is True
    inside = came.own or as_pod
    used, why = _of_node(endpoints, traits)
    circuit = inside and Trait.OWN_ENDPOINTS_FIRST not in traits
    if circuit:
        used = endpoints.anywhere
    otherwise = _without_endpoints(endpoints, traits)
    keeps = Trait.NODE_PORT_IS_OWN_SOURCE if flow.via == "NodePort" else Trait.VIP_IS_OWN_SOURCE
    reasons = _why(EXTERNAL, came, endpoints, used, why, otherwise)
    return Choice(
        endpoints=used,
        otherwise=otherwise,
        masquerade=came.own and not as_pod and keeps not in traits,
        because=(because.is_inside(), *reasons[1:]) if circuit and used else reasons,
    )


def _of_node(endpoints: Usable, traits: Traits) -> tuple[tuple[Endpoint, ...], _Policy]:
    """What a Local policy leaves, and why."""
    if not endpoints.here and Trait.FALLS_BACK in traits:
        return endpoints.anywhere, because.falls_back
    return endpoints.here, because.stays_here


def _why(
    policy: str,
    came: Arrival,
    endpoints: Usable,
    used: Sequence[Endpoint],
    why: _Policy,
    otherwise: Outcome = REFUSED,
) -> tuple[Because, ...]:
    """Why these endpoints are used, or why there is none: the first reason decides."""
    if not endpoints.exists:
        return (because.has_no_endpoint(),)
    if not used:
        return (because.has_none_here(policy, came.node.name, otherwise),)
    stand_in = () if any(each.ready for each in used) else (because.terminates(),)
    return (why(policy, came.node.name), *stand_in)


def _elsewhere(cluster: Cluster, flow: Flow, came: Arrival) -> Outcome:
    """What a call without endpoints comes to that left for the router: another node refuses it."""
    node = way_of_router(cluster, flow.address)
    return TIMED_OUT if node is None or node == came.node else REFUSED


def _is_guarded(service: Service, came: Arrival, endpoints: Usable, traits: Traits) -> bool:
    """Whether loadBalancerSourceRanges are looked at."""
    if came.own and Trait.OWN_RANGES_NEED_ENDPOINTS in traits:
        # IPVS comes before the rules, and refuses what it has no real server for.
        only_here = service.external_policy_local and Trait.FALLS_BACK not in traits
        return bool(endpoints.here) if only_here else endpoints.exists
    return endpoints.exists or Trait.RANGES_NEED_ENDPOINTS not in traits


def _without_endpoints(endpoints: Usable, traits: Traits) -> Outcome:
    dropped = endpoints.exists and Trait.REFUSES_WITHOUT_ENDPOINTS not in traits
    return TIMED_OUT if dropped else REFUSED


def _is_let_in(service: Service, came: Arrival, traits: Traits) -> bool:
    ranges = service.source_ranges
    if came.own:
        return any(came.node.address in cidr for cidr in ranges)
    return any(came.source in cidr for cidr in ranges if _counts(cidr, traits))


def _counts(cidr: IPv4Network, traits: Traits) -> bool:
    return bool(cidr.prefixlen) or Trait.SKIPS_ANY_RANGE not in traits
