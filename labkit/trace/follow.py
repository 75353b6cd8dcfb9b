"""Follows each packet of an attempt hop by hop, and says who rewrote it in between. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from labkit.trace.datagrams import without_others
from labkit.trace.ending import end_of
from labkit.trace.packet import Direction, Packet
from labkit.trace.path import Address, Change, Fate, Hop, Leg
from labkit.trace.recording import Captured, Recording
from labkit.trace.trail import Ask, Asked, Trail, between, destination
from labkit.trace.words import packet_words


def legs(recording: Recording, ask: Ask) -> tuple[Leg, ...]:
    """Return the way of every packet of an attempt, in the order in which they were sent.

    Empty if nothing was sent at all.
    """
    trail = Trail(without_others(recording, ask))
    first = trail.first(ask)
    if first is None:
        return ()
    members = trail.connection(first)
    asked = trail.asked(first, ask.host)
    began_ns = min((c.packet.time_ns for m in members for c in trail.every[m]), default=0)
    return tuple(_Walk(trail, member, asked=asked, began_ns=began_ns).leg() for member in members)


@dataclass(slots=True)
class _Walk:
    """Follows one packet."""

    trail: Trail
    identity: bytes
    asked: Asked
    began_ns: int
    _used: set[int] = field(default_factory=set)
    """Traversals that have explained a change."""

    def leg(self) -> Leg:
        hops = self._hops()
        copies = self.trail.copies(self.identity)
        first = copies[0]
        end = end_of(self.trail, self.identity, hops)
        is_reply = self._is_reply(copies)
        last = hops[-1]
        arrived = end.fate is Fate.DELIVERED and last.host == self.asked.host
        starts = [
            each
            for each in self.trail.every.get(self.identity, ())
            if (each.host, each.packet.interface) == (hops[0].host, hops[0].interface)
            and each.packet.direction is Direction.OUT
        ]
        return Leg(
            packet=packet_words(first),
            hops=hops,
            end=end,
            is_reply=is_reply,
            is_stranger=(
                is_reply
                and arrived
                and first.icmp is None
                and last.source != self.asked.sent.destination
            ),
            sent_again=max(0, len(starts) - 1),
        )

    def _is_reply(self, copies: Iterable[Packet]) -> bool:
        for copy in copies:
            if copy.quoted is not None:
                return between(copy.quoted) in self.asked.every
            if between(copy) in self.asked.every:
                return False
        return True

    # --- hops ---

    def _hops(self) -> tuple[Hop, ...]:
        hops: list[Hop] = []
        for hop in self._points():
            changes = self._changes(hops[-1], hop) if hops else ()
            hops.append(replace(hop, changes=changes))
        return tuple(hops)

    def _points(self) -> Iterable[Hop]:
        """Where the packet was, the first time at each place."""
        captured = self.trail.captured.get(self.identity, [])
        sent = self._as_sent(captured[0] if captured else None)
        if sent is not None:
            yield sent
        for host, packet, _data in captured:
            yield self._hop(host, packet)
        if captured:
            received = self._as_received(captured[-1])
            if received is not None:
                yield received

    def _as_sent(self, first: Captured | None) -> Hop | None:
        """What a program of a host sent, where rules changed or dropped it before any interface."""
        host = first.host if first else self.asked.host
        for where, traversal in self.trail.met.get(self.identity, ()):
            if where != host:
                continue
            packet = traversal.packet
            outgoing = first is None or first.packet.direction is Direction.OUT
            if outgoing and (first is None or between(first.packet) != between(packet)):
                when = first.packet.time_ns if first else self.began_ns
                sent = replace(
                    packet, direction=Direction.OUT, interface="", time_ns=when, tunnel=None
                )
                return self._hop(host, sent)
            return None
        return None

    def _as_received(self, last: Captured) -> Hop | None:
        """What became of a packet after the last interface, for a program of the host.

        conntrack gives an answer back the address that was asked after all rules but those of
        the nat table, so no rule tells of it. Its destination may have been given back before, as
        a bridge that calls iptables does (net/bridge/br_netfilter_hooks.c).
        """
        if last.packet.direction is not Direction.IN:
            return None
        asked = self.asked
        if last.host == asked.host and asked.is_answer(between(last.packet)):
            changed = asked.sent.back
        else:
            met = [t for where, t in self.trail.met.get(self.identity, ()) if where == last.host]
            changed = between((met[-1] if met else last).packet)
        if changed == between(last.packet):
            return None
        hop = self._hop(last.host, replace(last.packet, interface="", tunnel=None))
        return replace(hop, source=changed.source, destination=changed.destination)

    def _hop(self, host: str, packet: Packet) -> Hop:
        return Hop(
            host=host,
            kind=self.trail.recording.hosts[host].kind,
            interface=packet.interface,
            direction=packet.direction,
            source=Address(packet.source, packet.sport),
            destination=destination(packet),
            ttl=packet.ttl,
            at_ms=max(0.0, (packet.time_ns - self.began_ns) / 1e6),
            tunnel=packet.tunnel,
        )

    # --- changes ---

    def _changes(self, before: Hop, after: Hop) -> tuple[Change, ...]:
        changes = []
        if before.destination != after.destination:
            changes.append(
                self._change("destination", before.destination, after.destination, after.host)
            )
        if before.source != after.source:
            changes.append(self._change("source", before.source, after.source, after.host))
        return tuple(changes)

    def _change(self, name: str, before: Address, after: Address, host: str) -> Change:
        for number, (where, traversal) in enumerate(self.trail.met.get(self.identity, ())):
            if where != host or number in self._used:
                continue
            for index, step in enumerate(traversal.steps):
                if step.translates == name:
                    self._used.add(number)
                    return Change(
                        field=name,
                        before=before,
                        after=after,
                        by=step.place.chain,
                        chains=traversal.chains_to(index),
                        rule=step.text,
                        marked_by=self._marked_by(host) if name == "source" else "",
                    )
        return Change(field=name, before=before, after=after, by=self._untold(name, host))

    def _untold(self, name: str, host: str) -> str:
        """Who changes addresses where no rule was seen to: only a first packet meets NAT's rules.

        IPVS takes packets at a hook of its own, and there is no rule for it.
        """
        recording = self.trail.recording
        if name == "destination" and host in recording.ipvs and self._goes_out():
            return "IPVS"
        return "conntrack"

    def _goes_out(self) -> bool:
        return not self._is_reply(self.trail.copies(self.identity))

    def _marked_by(self, host: str) -> str:
        """The chain that marked the packet for masquerading, and not the one for all marking."""
        mark = 0
        for where, traversal in self.trail.met.get(self.identity, ()):
            if where != host:
                continue
            for index, step in enumerate(traversal.steps):
                if step.mark and not mark:
                    chains = traversal.chains_to(index)
                    marker = chains[-1] == "KUBE-MARK-MASQ" and len(chains) > 1
                    return chains[-2] if marker else chains[-1]
                mark = step.mark
        return ""
