"""The network of a Lab that is made from a cluster: ranges that keep the cluster's own addresses.

Nodes come first, then Services, then pods: where two want one range, the later gives way. That is
so on clouds whose pods have addresses of the nodes' own network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.manifest.addresses import special
from labkit.manifest.pod_ranges import PodWants, plan_pods
from labkit.manifest.ranges import (
    UNROUTED,
    alone,
    best_cover,
    cover,
    first_clear,
    is_clear,
    widened,
)

_LAN_PREFIX: Final = 24
_SANE_LAN: Final = 16
"""A LAN as wide as this holds every node even where pods are among them, as in one VPC."""
_SERVICE_PREFIX: Final = 16
_FIRST_SERVICE: Final = 10
_LANS: Final = ("192.168.0.0/24", "172.18.0.0/16", "10.0.0.0/16", "100.64.0.0/16")
_USUAL_SERVICES: Final = "10.96.0.0/12"
_SERVICES: Final = (_USUAL_SERVICES, "172.20.0.0/14", "100.96.0.0/12", "198.18.0.0/15")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """The addresses that a cluster has, and the ranges that a Lab insists on."""

    nodes: Mapping[str, IPv4Address | None]
    clients: int = 1
    outside: Sequence[IPv4Address] = ()
    """Addresses of neither nodes nor pods: nobody may be given one of them."""
    cluster_ips: Sequence[IPv4Address] = ()
    services: int = 0
    pods: PodWants = field(default_factory=PodWants)
    lan: IPv4Network | None = None
    service_cidr: IPv4Network | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ranges that are apart; None where no choice is good: then the Lab's default stands."""

    lan: IPv4Network | None
    service_cidr: IPv4Network | None
    pod_cidr: IPv4Network | None
    node_ranges: Mapping[str, IPv4Network]
    """Pod CIDRs by node."""


def plan_network(wants: Wants) -> Plan:
    """Choose every range."""
    lan = wants.lan or _lan(wants)
    beside = [lan] if lan else []
    services = wants.service_cidr or _services(wants, beside)
    beside += [services] if services else []
    pod_cidr, node_ranges = plan_pods(wants.pods, beside)
    return Plan(lan=lan, service_cidr=services, pod_cidr=pod_cidr, node_ranges=node_ranges)


def _lan(wants: Wants) -> IPv4Network | None:
    known = [each for each in wants.nodes.values() if each and not special(each)]
    fixed = [each for each in (wants.service_cidr, wants.pods.pod_cidr) if each]
    avoid = [*UNROUTED, *fixed]

    def fits(lan: IPv4Network) -> bool:
        inside = [each for each in known if each in lan]
        edges = {lan.network_address, lan.broadcast_address}
        others = len(wants.nodes) - len(set(inside)) + wants.clients + 1
        used = {*inside, *(each for each in wants.outside if each in lan)}
        return not edges.intersection(inside) and len(used) + others <= lan.num_addresses - 2

    base = _around_nodes(known, wants, avoid)
    lan = widened(base, prefix=_LAN_PREFIX, avoid=avoid, fits=fits) if base else None
    declared = [each for each in wants.pods.declared.values() if each]
    return lan or first_clear(_LANS, [*avoid, *declared], fits) or first_clear(_LANS, avoid, fits)


def _around_nodes(
    known: Sequence[IPv4Address], wants: Wants, avoid: Sequence[IPv4Network]
) -> IPv4Network | None:
    if not known:
        return None
    parts = alone(known)
    whole = cover(parts)
    if whole.prefixlen >= _SANE_LAN and is_clear(whole, avoid):
        return whole
    declared = [each for each in wants.pods.declared.values() if each]
    beside = [*avoid, *declared, *alone(wants.cluster_ips)]
    return best_cover(parts, beside) or best_cover(parts, avoid)


def _services(wants: Wants, beside: Sequence[IPv4Network]) -> IPv4Network | None:
    fixed = [wants.pods.pod_cidr] if wants.pods.pod_cidr else []
    declared = [each for each in wants.pods.declared.values() if each]
    avoid = [*UNROUTED, *beside, *fixed, *declared]
    known = [each for each in wants.cluster_ips if not special(each)]

    def fits(network: IPv4Network) -> bool:
        edges = {network.network_address, network.broadcast_address}
        room = network.num_addresses - _FIRST_SERVICE - 2
        return not edges.intersection(known) and wants.services <= room

    def holds_all(network: IPv4Network) -> bool:
        return fits(network) and all(each in network for each in known)

    usual = first_clear([_USUAL_SERVICES], avoid, holds_all)
    base = None if usual else best_cover(alone(known), avoid)
    found = widened(base, prefix=_SERVICE_PREFIX, avoid=avoid, fits=fits) if base else None
    return usual or found or first_clear(_SERVICES, avoid, fits)
