"""What was seen of packets and rules while something happened: plain data, and its making. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from labkit.kernel.rule_events import RuleEvent
from labkit.trace.packet import Direction, Packet, read_packet
from labkit.trace.path import HostKind

TRANSLATING: Final = frozenset(
    {"DNAT", "SNAT", "MASQUERADE", "REDIRECT", "dnat", "snat", "masquerade", "redirect"}
)
"""Words of a rule that rewrites addresses, as iptables-save and nft print it."""
DESTINATION_WORDS: Final = frozenset({"DNAT", "REDIRECT", "dnat", "redirect"})
REJECTING: Final = frozenset({"REJECT", "reject"})
DROPPING: Final = frozenset({"DROP", "drop"}) | REJECTING


class Place(NamedTuple):
    """A rule's place: nf_tables' handle or the legacy number; 0 for the end of the chain."""

    table: str
    chain: str
    rule: int


RuleTexts = Mapping[Place, str]


class Captured(NamedTuple):
    """A packet that crossed an interface of a host."""

    host: str
    packet: Packet
    data: bytes = b""
    """From its IPv4 header on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One rule that a packet met, or the end of a chain."""

    place: Place
    text: str
    drops: bool
    mark: int
    """The packet's mark after it; before it on legacy iptables."""

    @property
    def words(self) -> frozenset[str]:
        """The words of the rule, without those of its comment."""
        return _words(self.text)

    @property
    def translates(self) -> str:
        """Which field the rule rewrites: ``destination``, ``source``, or none."""
        found = TRANSLATING.intersection(self.words)
        if not found:
            return ""
        return "destination" if found & DESTINATION_WORDS else "source"

    @property
    def rejects(self) -> bool:
        """Whether it says so to the sender."""
        return bool(REJECTING.intersection(self.words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traversal:
    """One packet's way through the chains of one hook of one table."""

    packet: Packet
    """As it was when it entered."""
    steps: tuple[Step, ...]

    def chains_to(self, index: int) -> tuple[str, ...]:
        """The chains that led to a step, from the hook's own to the step's."""
        stack: list[str] = []
        for step in self.steps[: index + 1]:
            chain = step.place.chain
            if chain in stack:
                del stack[stack.index(chain) + 1 :]
            else:
                stack.append(chain)
        return tuple(stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host that was watched."""

    name: str
    kind: HostKind
    addresses: frozenset[IPv4Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything that was seen of one attempt."""

    hosts: Mapping[str, Host]
    captured: tuple[Captured, ...]
    """Each host's in the order in which it saw them."""
    traversals: Mapping[str, tuple[Traversal, ...]] = field(default_factory=dict)
    """By host, in order; none where rules cannot be traced."""
    ipvs: frozenset[str] = frozenset()
    """Hosts where IPVS takes packets for Services."""
    losses: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """How much each of the kernel's counters of lost packets has grown, by host."""


def traversals(events: Iterable[RuleEvent], texts: RuleTexts) -> tuple[Traversal, ...]:
    """Put a host's events together: those of one packet from one header to the next."""
    found: list[tuple[Packet, list[RuleEvent]]] = []
    current: dict[int, list[RuleEvent]] = {}
    for event in events:
        if event.header:
            packet = read_packet(event.header, direction=Direction.IN, time_ns=0, interface="")
            current[event.packet] = []
            if packet is not None:
                found.append((packet, current[event.packet]))
        if event.packet in current:
            current[event.packet].append(event)
    return tuple(
        Traversal(packet=packet, steps=tuple(_step(event, texts) for event in group))
        for packet, group in found
    )


def _step(event: RuleEvent, texts: RuleTexts) -> Step:
    place = Place(event.table, event.chain, event.rule)
    text = texts.get(place, "")
    return Step(
        place=place,
        text=text,
        drops=bool(DROPPING & _words(text)) if event.drops is None else event.drops,
        mark=event.mark,
    )


def _words(text: str) -> frozenset[str]:
    """A rule's words; what stands between quotes is a comment."""
    return frozenset(" ".join(text.split('"')[::2]).split())
