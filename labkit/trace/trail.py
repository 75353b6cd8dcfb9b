"""One attempt's packets in a recording: which they are, and in which forms they were seen. Pure.

A copy of a packet is known by what NAT leaves alone, see `Packet.identity`; packets belong together
when they are between the same two addresses and ports, as any hop saw them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from labkit.trace.order import way
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
        self.every: dict[bytes, list[Captured]] = defaultdict(list)
        self.met: dict[bytes, list[tuple[str, Traversal]]] = defaultdict(list)
        for each in recording.captured:
            self.every[each.packet.identity].append(each)
        for host, found in recording.traversals.items():
            for traversal in found:
                self.met[traversal.packet.identity].append((host, traversal))
        own = {host.name: host.addresses for host in recording.hosts.values()}
        self.captured = {identity: way(copies, own) for identity, copies in self.every.items()}
        """Each place of each packet once, in the order of its way."""

    def copies(self, identity: bytes) -> list[Packet]:
        """Every form that a packet was seen in."""
        seen = [each.packet for each in self.captured.get(identity, ())]
        return seen + [traversal.packet for _, traversal in self.met.get(identity, ())]

    def first(self, ask: Ask) -> bytes | None:
        """The request: the first packet that the source sent to where it asked.

        A node's own rules may have rewritten it before it crosses an interface; the rules that it
        met know it as it was sent.
        """
        met = [t.packet for each in self.met.values() for host, t in each if host == ask.host]
        crossed = [
            each.packet
            for each in self.recording.captured
            if each.host == ask.host and each.packet.direction is Direction.OUT
        ]
        # Both are in order, and rules come before interfaces.
        for packet in (*met, *crossed):
            if is_asked(packet, ask):
                return packet.identity
        for packet in crossed:
            if ask.source_port and (packet.protocol, packet.sport) == (
                ask.protocol,
                ask.source_port,
            ):
                return packet.identity
        return None

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
                for identity in self.captured  # what only rules have seen is still on its way
                if identity not in members and self._belongs(identity, known)
            ]
            if not new:
                break
            members.update(new)
            known |= {between(copy) for identity in new for copy in self.copies(identity)}
        return self._in_order(first, members)

    def _in_order(self, first: bytes, members: set[bytes]) -> list[bytes]:
        """Packets in the order in which they were sent, as far as it can be told.

        The source's own order is certain. What did not reach it stands behind what had by then
        passed the host that sent it.
        """
        source = self.captured[first][0].host if self.captured.get(first) else ""
        queue = [each for each in self.recording.captured if each.packet.identity in members]
        order = list(
            dict.fromkeys([first, *(c.packet.identity for c in queue if c.host == source)])
        )
        rest = sorted(members - set(order), key=self._time_of)
        for identity in rest:
            order.insert(self._place(identity, queue, order), identity)
        return order

    def _place(self, identity: bytes, queue: list[Captured], order: list[bytes]) -> int:
        copies = self.captured.get(identity)
        if not copies:
            return len(order)
        before = [c.packet.identity for c in queue if c.host == copies[0].host]
        earlier = set(before[: before.index(identity)])
        return max((n for n, each in enumerate(order, 1) if each in earlier), default=len(order))

    def _belongs(self, identity: bytes, known: set[Between]) -> bool:
        for copy in self.copies(identity):
            about = copy.quoted or copy
            pair = between(about)
            if pair.source.port and (pair in known or pair.back in known):
                return True
        return False

    def _time_of(self, identity: bytes) -> int:
        captured = self.captured.get(identity)
        return captured[0].packet.time_ns if captured else 0


def is_asked(packet: Packet, ask: Ask) -> bool:
    """Whether a packet goes to where the source asked, from the port that it asked from."""
    return (
        packet.protocol == ask.protocol
        and destination(packet) == ask.destination
        and ask.source_port in {0, packet.sport}
    )
