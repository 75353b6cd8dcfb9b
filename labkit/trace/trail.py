"""One attempt's packets in a recording: which they are, and in which forms they were seen. Pure.

A copy of a packet is known by what NAT leaves alone, see `Packet.identity`; packets belong together
when they are between the same two addresses and ports, as any hop saw them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from labkit.trace.packet import Direction, Packet
from labkit.trace.path import Address
from labkit.trace.recording import Captured, Recording, Traversal


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


class Asked(NamedTuple):
    """The request at its source."""

    host: str
    sent: Between
    """By the program."""
    left: Between
    """By the first interface, as the source's own rules had made it."""
    every: frozenset[Between]
    """In every form that it was seen in."""

    def is_answer(self, pair: Between) -> bool:
        """Whether conntrack of the source's own host takes a packet for the answer."""
        comes_from = (pair.protocol, pair.source) == (self.left.protocol, self.left.destination)
        return comes_from and pair.destination in {self.left.source, self.sent.source}


def between(packet: Packet) -> Between:
    """Whom a packet is from and to."""
    return Between(packet.protocol, Address(packet.source, packet.sport), destination(packet))


def destination(packet: Packet) -> Address:
    """Where a packet goes to."""
    return Address(packet.destination, packet.dport)


class Trail:
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

    def asked(self, first: bytes, host: str) -> Asked:
        """The request as it was sent, as it left, and in every form."""
        every = [between(copy) for copy in self.copies(first)]
        met = [between(t.packet) for where, t in self.met.get(first, ()) if where == host]
        crossed = [
            between(each.packet) for each in self.captured.get(first, ()) if each.host == host
        ]
        return Asked(
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
        and destination(packet) == ask.destination
        and ask.source_port in {0, packet.sport}
    )
