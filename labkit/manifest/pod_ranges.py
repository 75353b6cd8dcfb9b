"""Pod CIDRs that keep as many of a cluster's pod addresses as one range a node can hold.

A node has the pod CIDR that its Node says, if its pods have addresses in it; else the range that
its pods are in, where no other node's pods are, as with Calico's blocks or OpenShift's subnets;
else a new one.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.manifest.ranges import (
    UNROUTED,
    alone,
    best_cover,
    cover,
    first_clear,
    is_clear,
    widened,
)

_NODE_PREFIX: Final = 24
_BLOCKS: Final = (24, 26, 28)
"""Ranges that one node's pods are tried in: a usual pod CIDR, and blocks of IPAM plugins."""
_CLUSTER_PREFIX: Final = 16
_NOT_FOR_PODS: Final = 3
"""Of a node's range: the network's address, ``cni0``'s and the broadcast address."""
_POOLS: Final = (
    "10.244.0.0/16",
    "10.128.0.0/10",
    "100.64.0.0/11",
    "172.24.0.0/13",
    "10.0.0.0/9",
    "11.0.0.0/8",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodWants:
    """The addresses that pods have, by node."""

    declared: Mapping[str, IPv4Network | None] = field(default_factory=dict)
    """What each Node says, every node once."""
    pods: Mapping[str, Sequence[IPv4Address]] = field(default_factory=dict)
    """Addresses of pods that are not on the host network."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How many pods there are to hold, whether their addresses can be kept or not."""
    fixed: frozenset[str] = frozenset()
    """Nodes whose pod CIDR a Lab says: it is kept as it is."""
    pod_cidr: IPv4Network | None = None


def plan_pods(
    wants: PodWants, beside: Sequence[IPv4Network]
) -> tuple[IPv4Network | None, Mapping[str, IPv4Network]]:
    """Return the pod network and every node's part of it."""
    avoid = [*UNROUTED, *beside]
    kept = _kept(wants, avoid)
    network = wants.pod_cidr
    if network is None:
        network, kept = _network(wants, kept, avoid)
    if network is None:
        return None, {name: kept[name] for name in kept if name in wants.fixed}
    return network, {**kept, **_new(wants, kept, network)}


def in_use(network: IPv4Network, address: IPv4Address) -> bool:
    """Whether a pod in ``network`` can have this address: ``cni0`` has the first."""
    first, last = int(network.network_address), int(network.broadcast_address)
    return first + 1 < int(address) < last


class _Ranges:
    """Ranges that are apart; owns them in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, network: IPv4Network) -> bool:
        """Take a range in, unless it overlaps one that is in already."""
        low, high = int(network.network_address), int(network.broadcast_address)
        place = bisect_left(self._ends, low)
        if place < len(self._starts) and self._starts[place] <= high:
            return False
        self._starts.insert(place, low)
        self._ends.insert(place, high)
        return True


def _kept(wants: PodWants, avoid: Sequence[IPv4Network]) -> dict[str, IPv4Network]:
    """The ranges of nodes that can keep one; those whose Node says it right come first."""
    ranges, kept = _Ranges(), dict[str, IPv4Network]()
    everyone = sorted(int(each) for pods in wants.pods.values() for each in pods)
    right = {name: network for name, network in wants.declared.items() if _holds(wants, name)}
    for name, network in right.items():
        if network and _usable(wants, name, network, avoid) and ranges.add(network):
            kept[name] = network
    for name, network in wants.declared.items():
        if name in kept:
            continue
        for candidate in _candidates(network, wants.pods.get(name, ()), everyone):
            if _usable(wants, name, candidate, avoid) and ranges.add(candidate):
                kept[name] = candidate
                break
    return kept


def _holds(wants: PodWants, name: str) -> bool:
    """Whether what a Node or a Lab says holds every pod of that node."""
    network = wants.declared[name]
    if network is None:
        return False
    return name in wants.fixed or all(pod in network for pod in wants.pods.get(name, ()))


def _usable(wants: PodWants, name: str, network: IPv4Network, avoid: Sequence[IPv4Network]) -> bool:
    if name in wants.fixed:
        return True
    inside = wants.pod_cidr is None or network.subnet_of(wants.pod_cidr)
    room = wants.counts.get(name, 1) <= network.num_addresses - _NOT_FOR_PODS
    return inside and room and is_clear(network, avoid)


def _candidates(
    declared: IPv4Network | None, pods: Sequence[IPv4Address], everyone: Sequence[int]
) -> Iterator[IPv4Network]:
    """Ranges that hold pods of one node, those that hold most first."""
    if not pods:
        return
    found: Counter[IPv4Network] = Counter()
    if declared:
        found[declared] = sum(pod in declared for pod in pods)
    for network in _around(pods):
        held = sum(in_use(network, pod) for pod in pods)
        if held and _count(everyone, network) == sum(pod in network for pod in pods):
            found.setdefault(network, held)
    yield from (network for network, held in found.most_common() if held)


def _around(pods: Sequence[IPv4Address]) -> Iterator[IPv4Network]:
    tight = cover(alone(pods))
    yield tight.supernet(prefixlen_diff=max(tight.prefixlen - _NODE_PREFIX, 0))
    for prefix in _BLOCKS:
        blocks = Counter(IPv4Network((int(pod), prefix), strict=False) for pod in pods)
        yield from (block for block, _count in blocks.most_common())
    yield tight


def _count(addresses: Sequence[int], network: IPv4Network) -> int:
    low, high = int(network.network_address), int(network.broadcast_address)
    return bisect_right(addresses, high) - bisect_left(addresses, low)


def _network(
    wants: PodWants, kept: dict[str, IPv4Network], avoid: Sequence[IPv4Network]
) -> tuple[IPv4Network | None, dict[str, IPv4Network]]:
    """The pod network around what is kept; what is outside it is not kept."""
    base = best_cover(kept.values(), avoid)

    def fits(network: IPv4Network) -> bool:
        inside = {name: each for name, each in kept.items() if each.subnet_of(network)}
        needed = [name for name in wants.declared if name not in inside]
        return not needed or len(_new(wants, inside, network)) == len(needed)

    found = widened(base, prefix=_CLUSTER_PREFIX, avoid=avoid, fits=fits) if base else None
    found = found or first_clear(_POOLS, avoid, fits)
    if found is None:
        return None, {}
    network = found
    return network, {name: each for name, each in kept.items() if each.subnet_of(network)}


def _new(
    wants: PodWants, kept: Mapping[str, IPv4Network], network: IPv4Network
) -> dict[str, IPv4Network]:
    """Ranges of nodes that keep none; the first of the network is left alone where it can be."""
    ranges, found = _Ranges(), dict[str, IPv4Network]()
    for each in kept.values():
        ranges.add(each)
    at = int(network.network_address)
    if network.prefixlen < _NODE_PREFIX:
        at += 1 << (32 - _NODE_PREFIX)
    end = int(network.broadcast_address)
    for name in wants.declared:
        if name in kept:
            continue
        prefix = max(_prefix_for(wants.counts.get(name, 0)), network.prefixlen)
        size = 1 << (32 - prefix)
        at = -(-at // size) * size
        while at + size - 1 <= end and not ranges.add(IPv4Network((at, prefix))):
            at += size
        if at + size - 1 > end:
            return found
        found[name] = IPv4Network((at, prefix))
        at += size
    return found


def _prefix_for(pods: int) -> int:
    """A /24, or wider where a node has more pods."""
    return min(_NODE_PREFIX, 32 - (pods + _NOT_FOR_PODS).bit_length())
