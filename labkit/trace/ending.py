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
    grown = trail.recording.losses.get(last.host, {})
    reason = loss_reason(last, grown, times=_arrivals(trail, identity, crossed))
    if last.direction is Direction.IN and (ip in host.addresses or ip.is_loopback):
        rewriter = _rewritten_last_by(trail, identity, last.host)
        if not rewriter or _answered(trail, last):
            return End(fate=Fate.DELIVERED, host=last.host)
        reason = f"after {rewriter} had rewritten it, {reason}"
    elif last.host in trail.recording.ipvs and ip in host.addresses:
        reason = nowhere(last)
    return End(fate=Fate.LOST, host=last.host, reason=reason)


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


def _rewritten_last_by(trail: Trail, identity: bytes, host: str) -> str:
    """The chain whose rule gave a packet another destination, if no rule of the host met it later.

    Routing has thrown it away in between: a packet for the host meets the input hook, and one to be
    forwarded the forward hook.
    """
    met = [traversal for where, traversal in trail.met.get(identity, ()) if where == host]
    steps = met[-1].steps if met else ()
    return next((each.place.chain for each in steps if each.translates == "destination"), "")


def _arrivals(trail: Trail, identity: bytes, crossed: Hop) -> int:
    """How many times a packet came to its last interface: its sender may have repeated it."""
    place = (crossed.host, crossed.interface, crossed.direction, crossed.ttl)
    copies = [(c.host, c.packet) for c in trail.every.get(identity, ())]
    return max(1, sum((h, p.interface, p.direction, p.ttl) == place for h, p in copies))


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
