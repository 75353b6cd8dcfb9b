"""What a data plane makes of a flow, by its traits."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Service, ServicePort
from labkit.semantics import because, firewall
from labkit.semantics.arrival import (
    Arrival,
    arrival,
    is_hidden,
    second_arrival,
    way_of_router,
)
from labkit.semantics.because import Because
from labkit.semantics.choice import choose, turned_away
from labkit.semantics.delivery import deliver
from labkit.semantics.direct import predict_direct
from labkit.semantics.endpoints import (
    is_on_nodes,
    is_proxied,
    is_reachable_from_outside,
    label_of_another_proxy,
    usable,
)
from labkit.semantics.flows import (
    REFUSED,
    TIMED_OUT,
    UNREACHABLE,
    Delivery,
    Flow,
    Outcome,
    Prediction,
    Via,
)
from labkit.semantics.node_ports import ON_LOCALHOST, is_served
from labkit.semantics.traits import Trait

BOTH_WAYS: Final[tuple[Via, Via]] = ("ClusterIP", "ExternalIP")
"""One address under internalTrafficPolicy, and one under externalTrafficPolicy."""


def predict(cluster: Cluster, flow: Flow, traits: frozenset[Trait]) -> Prediction | None:
    """Return what a data plane with these traits makes of a flow; None if nothing says."""
    found = _predict(cluster, flow, traits)
    return None if found is None or firewall.decides(cluster, flow, found, traits) else found


def _predict(cluster: Cluster, flow: Flow, traits: frozenset[Trait]) -> Prediction | None:
    if flow.via == "PodIP" or _is_beyond(cluster, flow):
        return predict_direct(cluster, flow) if flow.via == "PodIP" else None
    came = arrival(cluster, flow)
    if came is None:
        return _all(TIMED_OUT, because.has_no_way(flow.address))
    return _follow(cluster, flow, came, traits)


def _follow(
    cluster: Cluster,
    flow: Flow,
    came: Arrival,
    traits: frozenset[Trait],
    been: tuple[Arrival, ...] = (),
) -> Prediction | None:
    """Follow a flow to the node that looks after it: some leave it to the network."""
    why = turned_away(cluster, flow, came, traits)
    if why is None:
        return _served(cluster, flow, came, traits)
    if came in been:
        # From node to router and back, until its time to live ends.
        return _all(UNREACHABLE, why)
    masqueraded = flow.via == "LoadBalancer" and not flow.service.external_policy_local
    again = second_arrival(cluster, came, flow.address, masqueraded=masqueraded)
    if again is None:
        return _all(TIMED_OUT, why)
    found = _follow(cluster, flow, again, traits, (*been, came))
    return found and replace(found, because=(why, *found.because))


def _served(
    cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]
) -> Prediction | None:
    """What the node makes of a flow that has come to it."""
    if flow.port is None or not _serves(cluster, flow, came, traits):
        outcome = _unserved(cluster, flow, came, traits)
        return _all(outcome, _why_unserved(cluster, flow, came, traits))
    choice = choose(cluster, flow, flow.port, came, traits)
    if not choice.endpoints:
        return _all(choice.otherwise, *choice.because)
    found = [deliver(cluster, flow, came, choice, each) for each in choice.endpoints]
    known = frozenset(each for each in found if each is not None)
    timeout_s = flow.service.affinity_timeout_s
    held = timeout_s is not None
    reasons = (*choice.because, *([] if timeout_s is None else [because.is_held(timeout_s)]))
    moves = (
        held
        and Trait.AFFINITY_PER_ADDRESS not in traits
        and _is_moved(cluster, flow, flow.port, came, traits)
    )
    if None in found:
        return None
    return Prediction(deliveries=known, held=held, moves=moves, because=reasons)


def _is_moved(
    cluster: Cluster, flow: Flow, port: ServicePort, came: Arrival, traits: frozenset[Trait]
) -> bool:
    """Whether other addresses of the Service lead this caller to other endpoints.

    A source that is held to an endpoint by one of them is held to it by all.
    """
    if not is_reachable_from_outside(flow.service, port, traits):
        return False
    inside, outside = (
        set(choose(cluster, replace(flow, via=via), port, came, traits).endpoints)
        for via in BOTH_WAYS
    )
    return bool(inside and outside) and inside != outside


def _all(outcome: Outcome, *reasons: Because) -> Prediction:
    return Prediction(deliveries=frozenset({Delivery(outcome=outcome)}), because=reasons)


def _serves(cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]) -> bool:
    """Whether the node has rules for this address."""
    if Trait.SERVES not in traits or not is_proxied(flow.service):
        return False
    if flow.via == "NodePort":
        return is_served(cluster.kube_proxy, came.node, flow.address, traits)
    return flow.via != "LoadBalancer" or is_on_nodes(flow.service, flow.address, traits)


def _unserved(cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]) -> Outcome:
    """A node answers for its own address; for others there is no way."""
    if flow.via == "NodePort":
        drops = Trait.DROPS_ANYWHERE in traits and _is_elsewhere(cluster, flow, came, traits)
        return TIMED_OUT if drops else REFUSED
    return REFUSED if _refuses_ports(cluster, flow, traits) else _wanders(cluster, flow, came)


def _why_unserved(cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]) -> Because:
    label = label_of_another_proxy(flow.service)
    if Trait.SERVES not in traits:
        return because.nobody_serves()
    if label is not None:
        return because.is_somebody_elses(label)
    if flow.port is None:
        return because.has_no_port()
    if flow.via == "NodePort":
        return _why_no_node_port(cluster, flow, came, traits)
    return because.is_for_the_load_balancer(flow.address)


def _why_no_node_port(
    cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]
) -> Because:
    given = bool(cluster.kube_proxy.node_port_addresses)
    if flow.address.is_loopback and not traits & ON_LOCALHOST:
        return because.has_no_localhost_node_ports(flow.address)
    if not flow.address.is_loopback and not given and Trait.PRIMARY_NODE_PORTS in traits:
        return because.is_not_the_primary_address(came.node.name, flow.address)
    return because.is_no_node_port_address(came.node.name, flow.address)


def _refuses_ports(cluster: Cluster, flow: Flow, traits: frozenset[Trait]) -> bool:
    """Whether nodes refuse what is not served at this address, as a Service has it that they serve.

    It need not be the flow's own: several may have one external address.
    """
    if Trait.SERVES not in traits:
        return False
    inside = Trait.REFUSES_CLUSTER_IP_PORTS in traits
    outside = Trait.REFUSES_EXTERNAL_PORTS in traits
    return any(
        (inside and flow.address == each.cluster_ip)
        or (outside and _has_outside(each, flow.address, traits))
        for each in cluster.services
        if is_proxied(each)
    )


def _has_outside(service: Service, address: IPv4Address, traits: frozenset[Trait]) -> bool:
    return address in service.external_ips or is_on_nodes(service, address, traits)


def _wanders(cluster: Cluster, flow: Flow, came: Arrival) -> Outcome:
    """What becomes of a packet that the node sends on to the LAN's router.

    That drops it, or sends it to a node, which sends it to the router: until its time to live ends
    at the router, or until it comes back to the node whose address it has for its source. The
    router tells the source of its end, if it knows a way to it.
    """
    node = way_of_router(cluster, flow.address)
    hidden = came.own or is_hidden(cluster, came.source, flow.address)
    if node is None or (node == came.node and hidden):
        return TIMED_OUT
    told = hidden or _router_knows(cluster, came.source)
    return UNREACHABLE if told else TIMED_OUT


def _router_knows(cluster: Cluster, source: IPv4Address) -> bool:
    """Whether the LAN's router has a way to a source: to pods only by a route of its own."""
    in_pods = source in cluster.network.pod_cidr
    return not in_pods or way_of_router(cluster, source) is not None


def _is_elsewhere(cluster: Cluster, flow: Flow, came: Arrival, traits: frozenset[Trait]) -> bool:
    """Whether a Local policy keeps a NodePort from the endpoints that there are."""
    if flow.port is None or not flow.service.external_policy_local:
        return False
    endpoints = usable(cluster, flow.service, flow.port, came.node, traits)
    return is_proxied(flow.service) and endpoints.exists and not endpoints.here


def _is_beyond(cluster: Cluster, flow: Flow) -> bool:
    """Whether more than rules decides: an external address that some host has takes packets in."""
    if flow.via == "NodePort":
        return flow.node is None
    return flow.address in cluster.host_addresses
