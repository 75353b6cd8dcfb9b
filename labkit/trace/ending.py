"""Says where a packet ended, and why. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from labkit.trace.packet import Direction
from labkit.trace.path import End, Fate, Hop
from labkit.trace.recording import Host, Step, Traversal
from labkit.trace.trail import Trail, between
from labkit.trace.words import loss_reason, martian, nowhere

LOOPBACK: Final = "lo"


def end_of(trail: Trail, identity: bytes, hops: Sequence[Hop]) -> End:
    """Return how a packet ended that was seen at these places, and no further."""
    last = hops[-1]
    dropped = _dropped(trail, identity, last.host)
    if dropped is not None:
        return dropped
    host = trail.recording.hosts[last.host]
    crossed = next((hop for hop in reversed(hops) if hop.interface), last)
    if _is_martian(crossed, host) and not _answered(trail, last):
        return End(fate=Fate.LOST, host=last.host, reason=martian(crossed))
    ip = last.destination.ip
    if last.direction is Direction.IN and (ip in host.addresses or ip.is_loopback):
        return End(fate=Fate.DELIVERED, host=last.host)
    if last.host in trail.recording.ipvs and last.destination.ip in host.addresses:
        return End(fate=Fate.LOST, host=last.host, reason=nowhere(last))
    grown = trail.recording.losses.get(last.host, {})
    return End(fate=Fate.LOST, host=last.host, reason=loss_reason(last, grown))


def _dropped(trail: Trail, identity: bytes, host: str) -> End | None:
    for where, traversal in trail.met.get(identity, ()):
        if where != host:
            continue
        for index, step in enumerate(traversal.steps):
            if step.drops:
                return _drop(host, traversal, index, step)
    return None


def _drop(host: str, traversal: Traversal, index: int, step: Step) -> End:
    return End(
        fate=Fate.REJECTED if step.rejects else Fate.DROPPED,
        host=host,
        by=step.place.chain,
        chains=traversal.chains_to(index),
        rule=step.text,
    )


def _is_martian(hop: Hop, host: Host) -> bool:
    """Whether a packet came in from outside with an address of the host's own as its source.

    Source: RFC 1812, 5.3.7; the kernel's fib_validate_source refuses it without a word.
    """
    comes_in = hop.direction is Direction.IN and hop.interface != LOOPBACK
    return comes_in and (hop.source.ip in host.addresses or hop.source.ip.is_loopback)


def _answered(trail: Trail, last: Hop) -> bool:
    """Whether the host took the packet all the same: it sent something back."""
    return any(
        each.host == last.host
        and each.packet.direction is Direction.OUT
        and (between(each.packet).source, between(each.packet).destination)
        == (last.destination, last.source)
        for each in trail.recording.captured
    )
