"""Addresses of a real cluster that the lab had to change: which became which, and who follows.

An endpoint of a hand-written EndpointSlice, an externalIP and a LoadBalancer address that is a
node's or pod's own is changed with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from msgspec.structs import replace

from labkit.cluster.addresses import ipv4_of
from labkit.cluster.model import Mapped, Node, Pod, Service
from labkit.cluster.object_names import ObjectName
from labkit.manifest import kinds

_HOSTS: Final = ("Node", "Pod")
_MANY: Final = 3
"""More addresses of one kind and cause than this are told in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What has been given addresses."""

    nodes: Sequence[Node]
    pods: Sequence[Pod]
    services: Sequence[Service] = ()

    def used(self) -> Mapping[tuple[str, str, str], str]:
        """Addresses and ranges by kind, Namespace and name, as `kinds.Displaced` has these."""
        return {
            **{("Node", "", node.name): str(node.address) for node in self.nodes},
            **{("podCIDR", "", node.name): str(node.pod_cidr) for node in self.nodes},
            **{("Pod", *pod.key): str(pod.address) for pod in self.pods},
            **{("Service", *each.key): str(each.cluster_ip) for each in self.services},
        }


def mapped(displaced: Iterable[kinds.Displaced], placed: Placed) -> tuple[Mapped, ...]:
    """What became of every displaced address whose owner is still there."""
    given = tuple(displaced)
    used = placed.used() if given else {}
    return tuple(
        Mapped(
            what=_what(each),
            given=each.given,
            used=used[each.kind, each.namespace, each.name],
            why=each.why,
        )
        for each in given
        if (each.kind, each.namespace, each.name) in used
    )


def _what(each: kinds.Displaced) -> str:
    shown = ObjectName(each.namespace, each.name).shown if each.namespace else each.name
    words = {"Node": "node", "podCIDR": "podCIDR of node", "Pod": "pod", "Service": "Service"}
    return f"{words[each.kind]} {shown}"


def aliases(displaced: Iterable[kinds.Displaced], placed: Placed) -> Mapping[str, str]:
    """Addresses of hosts in the lab by those that they have in the cluster."""
    given = tuple(displaced)
    used = placed.used() if given else {}
    found: dict[str, str] = {}
    for each in given:
        address = used.get((each.kind, each.namespace, each.name))
        if each.kind in _HOSTS and each.given and address:
            found.setdefault(each.given, address)
    return found


def following(service: kinds.Service, known: Mapping[str, str]) -> kinds.Service:
    """A Service whose external addresses are those that the nodes have in the lab."""
    spec, balancer = service.spec, service.status.load_balancer
    if not known or not (spec.external_ips or balancer.ingress):
        return service
    external = [known.get(text, text) for text in spec.external_ips]
    ingress = [_ingress(each, known) for each in balancer.ingress]
    status = replace(service.status, load_balancer=replace(balancer, ingress=ingress))
    return replace(service, spec=replace(spec, external_ips=external), status=status)


def _ingress(
    entry: kinds.LoadBalancerIngress, known: Mapping[str, str]
) -> kinds.LoadBalancerIngress:
    return replace(entry, ip=known[entry.ip]) if entry.ip and entry.ip in known else entry


def of_one_family(
    pieces: Iterable[kinds.EndpointSlice], known: Mapping[str, str]
) -> Sequence[kinds.EndpointSlice]:
    """The EndpointSlices of one Service that count, with the addresses of the lab.

    Where there is none for IPv4, those for IPv6 count as far as the lab has given their endpoints
    an IPv4 address.
    """
    found: defaultdict[str, list[kinds.EndpointSlice]] = defaultdict(list)
    for piece in pieces:
        found[piece.address_type].append(piece)
    return [_translated(piece, known) for piece in found["IPv4"] or found["IPv6"]]


def _translated(piece: kinds.EndpointSlice, known: Mapping[str, str]) -> kinds.EndpointSlice:
    if piece.address_type == "IPv4" and not known:
        return piece
    endpoints: list[kinds.EndpointEntry] = []
    for entry in piece.endpoints:
        first = entry.addresses[0]
        address = known.get(first, first if piece.address_type == "IPv4" else None)
        if address:
            one: list[str] = [address]
            endpoints.append(replace(entry, addresses=one))
    return replace(piece, endpoints=endpoints)


def outside_addresses(scenario: kinds.Scenario) -> frozenset[IPv4Address]:
    """External addresses and those of hand-written slices: no host may be given one of these."""
    return frozenset(map(ipv4_of, _outside(scenario)))


def _outside(scenario: kinds.Scenario) -> Iterator[str]:
    for service in scenario.services:
        yield from service.spec.external_ips
        yield from (each.ip for each in service.status.load_balancer.ingress if each.ip)
    for piece in scenario.endpoint_slices:
        if piece.address_type == "IPv4":
            yield from (text for entry in piece.endpoints for text in entry.addresses)


def in_words(found: Sequence[Mapped]) -> tuple[str, ...]:
    """One line for each address, or one for many that were changed for the same reason."""
    groups: defaultdict[tuple[str, str], list[Mapped]] = defaultdict(list)
    for each in found:
        groups[each.what.rpartition(" ")[0], each.why].append(each)
    lines: list[str] = []
    for (kind, why), group in groups.items():
        if len(group) <= _MANY:
            lines += [f"{one.what}: {one.given or 'none'} is {one.used} ({why})" for one in group]
        else:
            first, last = group[0], group[-1]
            lines.append(
                f"{len(group)} × {kind}: {first.given or 'none'} … {last.given or 'none'} are"
                f" {first.used} … {last.used} ({why})"
            )
    return tuple(lines)
