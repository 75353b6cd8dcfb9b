"""Puts the copies of one packet into the order of its way. Pure.

The clocks of two processors can be some microseconds apart, which is more than a hop takes. What
one host has seen is in order all the same; between hosts the time to live tells it, which every
router makes less (RFC 1812, 5.3.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from labkit.trace.packet import Direction
from labkit.trace.recording import Captured

Visit = list[Captured]
"""A packet's way through one host: in by some interfaces, out by others."""


def way(copies: Iterable[Captured], own: Mapping[str, frozenset[IPv4Address]]) -> list[Captured]:
    """Return each place of a packet once, in the order of its way.

    Args:
        copies: each host's in the order in which it saw them.
        own: the addresses of each host: who sends has the source's.
    """
    visits: list[Visit] = []
    current: dict[str, Visit] = {}
    seen: set[tuple[object, ...]] = set()
    for copy in copies:
        packet = copy.packet
        addresses = (packet.source, packet.sport, packet.destination, packet.dport)
        place = (copy.host, packet.interface, packet.direction, packet.ttl, *addresses)
        if place in seen:
            continue
        seen.add(place)
        visit = current.get(copy.host)
        if visit is None or _comes_back(visit, copy):
            visit = current[copy.host] = []
            visits.append(visit)
        visit.append(copy)

    def rank(visit: Visit) -> tuple[int, bool, bool, int]:
        first = visit[0].packet
        comes_in = first.direction is Direction.IN
        # A bridge may hand a packet on that it was not seen to receive.
        is_sender = first.source in own.get(visit[0].host, frozenset())
        return -first.ttl, comes_in, not is_sender, first.time_ns

    return [copy for visit in sorted(visits, key=rank) for copy in visit]


def _comes_back(visit: Visit, copy: Captured) -> bool:
    last = visit[-1].packet
    return last.direction is Direction.OUT and copy.packet.direction is Direction.IN
