"""Finds one attempt's packets in a recording, and follows each of them hop by hop. Pure.

A copy of a packet is known by what NAT leaves alone, see `Packet.identity`; packets belong together
when they are between the same two addresses and ports, as any hop saw them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import NamedTuple

from labkit.trace.packet import Direction, Packet
from labkit.trace.path import Address, Change, End, Fate, Hop, Leg
from labkit.trace.recording import Captured, Recording, Step, Traversal
from labkit.trace.words import loss_reason, packet_words


class Ask(NamedTuple):
    """What was sent: by whom, to where, from which port (0 if that is not known)."""

    host: str
    protocol: int
    destination: Address
    source_port: int = 0


class Between(NamedTuple):
    """Whom a packet is from and to."""

    protocol: int
    source: Address
    destination: Address

    @property
    def back(self) -> Between:
        """The other way."""
        return Between(self.protocol, self.destination, self.source)


def legs(recording: Recording, ask: Ask) -> tuple[Leg, ...]:
    """Return the way of every packet of an attempt, in the order in which they were sent.

    Empty if nothing was sent at all.
    """
    trail = _Trail(recording)
    first = trail.first(ask)
    if first is None:
        return ()
    members = trail.connection(first)
    asked = trail.asked(first, ask.host)
    began_s = min((c.packet.time_s for m in members for c in trail.captured[m]), default=0.0)
    return tuple(_Walk(trail, member, asked=asked, began_s=began_s).leg() for member in members)


class _Asked(NamedTuple):
    """The request at its source."""

    host: str
    sent: Between
    """By the program."""
    left: Between
    """By the first interface, as the source's own rules had made it."""
    every: frozenset[Between]
    """In every form that it was seen in."""


def between(packet: Packet) -> Between:
    """Whom a packet is from and to."""
    return Between(packet.protocol, Address(packet.source, packet.sport), _destination(packet))


def _destination(packet: Packet) -> Address:
    return Address(packet.destination, packet.dport)


class _Trail:
    """A recording, sorted by packet."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.captured: dict[bytes, list[Captured]] = defaultdict(list)
        self.met: dict[bytes, list[tuple[str, Traversal]]] = defaultdict(list)
        for each in recording.captured:
            self.captured[each.packet.identity].append(each)
        for host, found in recording.traversals.items():
            for traversal in found:
                self.met[traversal.packet.identity].append((host, traversal))
        self._order = list(dict.fromkeys([*self.captured, *self.met]))

    def copies(self, identity: bytes) -> list[Packet]:
        """Every form that a packet was seen in."""
        seen = [each.packet for each in self.captured.get(identity, ())]
        return seen + [traversal.packet for _, traversal in self.met.get(identity, ())]

    def first(self, ask: Ask) -> bytes | None:
        """The request: the first packet that the source sent to where it asked.

        A node's own rules may have rewritten it before it crosses an interface; the rules that it
        met know it as it was sent.
        """
        sent = [
            traversal.packet
            for identity in self._order
            for host, traversal in self.met.get(identity, ())
            if host == ask.host
        ]
        sent += [
            each.packet
            for each in self.recording.captured
            if each.host == ask.host and each.packet.direction is Direction.OUT
        ]
        found = [packet for packet in sent if _is_asked(packet, ask)]
        if not found and ask.source_port:
            found = [
                packet
                for packet in sent
                if (packet.protocol, packet.sport) == (ask.protocol, ask.source_port)
            ]
        return min(found, key=self._began).identity if found else None

    def asked(self, first: bytes, host: str) -> _Asked:
        """The request as it was sent, as it left, and in every form."""
        every = [between(copy) for copy in self.copies(first)]
        met = [between(t.packet) for where, t in self.met.get(first, ()) if where == host]
        crossed = [
            between(each.packet) for each in self.captured.get(first, ()) if each.host == host
        ]
        return _Asked(
            host=host,
            sent=(met or crossed)[0],
            left=(crossed or met)[0],
            every=frozenset(every),
        )

    def connection(self, first: bytes) -> list[bytes]:
        """The packets that belong to the request's connection, errors about it included."""
        known = {between(copy) for copy in self.copies(first)}
        members = {first}
        while True:
            new = [
                identity
                for identity in self._order
                if identity not in members and self._belongs(identity, known)
            ]
            if not new:
                break
            members.update(new)
            known |= {between(copy) for identity in new for copy in self.copies(identity)}
        return sorted(members, key=lambda each: (each != first, self._time_of(each)))

    def _belongs(self, identity: bytes, known: set[Between]) -> bool:
        for copy in self.copies(identity):
            about = copy.quoted or copy
            pair = between(about)
            if pair.source.port and (pair in known or pair.back in known):
                return True
        return False

    def _began(self, packet: Packet) -> float:
        return self._time_of(packet.identity)

    def _time_of(self, identity: bytes) -> float:
        captured = self.captured.get(identity)
        return captured[0].packet.time_s if captured else 0.0


def _is_asked(packet: Packet, ask: Ask) -> bool:
    return (
        packet.protocol == ask.protocol
        and _destination(packet) == ask.destination
        and ask.source_port in {0, packet.sport}
    )


@dataclass(slots=True)
class _Walk:
    """Follows one packet."""

    trail: _Trail
    identity: bytes
    asked: _Asked
    began_s: float
    _used: set[int] = field(default_factory=set)
    """Traversals that have explained a change."""

    def leg(self) -> Leg:
        hops = self._hops()
        copies = self.trail.copies(self.identity)
        first = copies[0]
        end = self._end(hops)
        is_reply = self._is_reply(copies)
        last = hops[-1]
        arrived = end.fate is Fate.DELIVERED and last.host == self.asked.host
        starts = [
            each
            for each in self.trail.captured.get(self.identity, ())
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
        seen: set[tuple[object, ...]] = set()
        for host, packet, _data in captured:
            place = (host, packet.interface, packet.direction, packet.ttl, between(packet))
            if place in seen:
                continue
            seen.add(place)
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
                when = first.packet.time_s if first else self.began_s
                sent = replace(
                    packet, direction=Direction.OUT, interface="", time_s=when, tunnel=None
                )
                return self._hop(host, sent)
            return None
        return None

    def _as_received(self, last: Captured) -> Hop | None:
        """What became of a packet after the last interface, for a program of the host.

        conntrack gives an answer back the address that was asked after all rules but those of
        the nat table, so no rule tells of it.
        """
        if last.packet.direction is not Direction.IN:
            return None
        asked = self.asked
        if last.host == asked.host and between(last.packet) == asked.left.back:
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
            destination=_destination(packet),
            ttl=packet.ttl,
            at_ms=max(0.0, (packet.time_s - self.began_s) * 1000),
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

    # --- the end ---

    def _end(self, hops: Sequence[Hop]) -> End:
        last = hops[-1]
        dropped = self._dropped(last.host)
        if dropped is not None:
            return dropped
        host = self.trail.recording.hosts[last.host]
        if last.direction is Direction.IN and _is_local(last.destination.ip, host.addresses):
            return End(fate=Fate.DELIVERED, host=last.host)
        grown = self.trail.recording.losses.get(last.host, {})
        return End(fate=Fate.LOST, host=last.host, reason=loss_reason(last, grown))

    def _dropped(self, host: str) -> End | None:
        for where, traversal in self.trail.met.get(self.identity, ()):
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


def _is_local(address: IPv4Address, own: frozenset[IPv4Address]) -> bool:
    return address in own or address.is_loopback
