"""Ranges for addresses that a cluster has already: as narrow as need be, apart from one another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Final

UNROUTED: Final = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("224.0.0.0/3"),
    IPv4Network("0.0.0.0/8"),
)
"""Loopback, multicast and above, and "this network": no range of a lab can be in them."""
_GROUPS: Final = (8, 12, 16, 20, 24)
"""Prefixes by which addresses are grouped where no one range holds them all."""
_WIDEST: Final = 4


def cover(parts: Collection[IPv4Network]) -> IPv4Network:
    """The smallest range that holds all parts; there must be one."""
    low = min(int(part.network_address) for part in parts)
    high = max(int(part.broadcast_address) for part in parts)
    prefix = 32 - (low ^ high).bit_length()
    return IPv4Network((low, prefix), strict=False)


def is_clear(network: IPv4Network, avoid: Iterable[IPv4Network]) -> bool:
    """Whether a range is apart from all others."""
    return not any(network.overlaps(other) for other in avoid)


def best_cover(parts: Collection[IPv4Network], avoid: Sequence[IPv4Network]) -> IPv4Network | None:
    """The smallest range that holds all parts, or the most that one range apart can hold.

    None if every part is inside ``avoid``.
    """
    if not parts:
        return None
    whole = cover(parts)
    if is_clear(whole, avoid):
        return whole
    found: list[tuple[int, IPv4Network]] = []
    for prefix in _GROUPS:
        for group in _grouped(parts, prefix):
            candidate = cover(group)
            if is_clear(candidate, avoid):
                found.append((len(group), candidate))
    return max(found, key=_most_then_lowest)[1] if found else None


def _most_then_lowest(found: tuple[int, IPv4Network]) -> tuple[int, int]:
    count, network = found
    return count, -int(network.network_address)


def _grouped(parts: Iterable[IPv4Network], prefix: int) -> Iterable[list[IPv4Network]]:
    groups: defaultdict[int, list[IPv4Network]] = defaultdict(list)
    for part in parts:
        groups[int(part.network_address) >> (32 - prefix)].append(part)
    return groups.values()


def alone(addresses: Iterable[IPv4Address]) -> list[IPv4Network]:
    """Each address as a range of its own."""
    return [IPv4Network(address) for address in addresses]


def widened(
    network: IPv4Network,
    *,
    prefix: int,
    avoid: Sequence[IPv4Network],
    fits: Callable[[IPv4Network], bool],
) -> IPv4Network | None:
    """``network`` made wider until it fits, and to ``prefix`` where there is room; None if none."""
    found: IPv4Network | None = None
    while is_clear(network, avoid):
        if fits(network):
            found = network
            if network.prefixlen <= prefix:
                return found
        if network.prefixlen <= _WIDEST:
            return found
        network = network.supernet()
    return found


def first_clear(
    candidates: Iterable[str],
    avoid: Sequence[IPv4Network],
    fits: Callable[[IPv4Network], bool],
) -> IPv4Network | None:
    """The first candidate that is apart from the others and fits."""
    for text in candidates:
        network = IPv4Network(text)
        if is_clear(network, avoid) and fits(network):
            return network
    return None
