"""The path of a flow's packets through a lab, hop by hop: plain data.

A path is made of legs: one packet's way from where it was sent to where it ended. The first leg is
the request, the second what it was answered with, wherever that went.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from labkit.probe.flow import Flow, Outcome
from labkit.trace.packet import Direction


class HostKind(StrEnum):
    """What a host of the lab is."""

    CLIENT = "client"
    NODE = "node"
    POD = "pod"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An IPv4 address, and a port where the protocol has ports."""

    ip: IPv4Address
    port: int = 0

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}" if self.port else str(self.ip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One rewrite of a packet's header, between a hop and the hop before it."""

    field: str
    """``destination`` or ``source``."""
    before: Address
    after: Address
    by: str
    """Who did it: the chain whose rule it was, ``IPVS``, or ``conntrack`` on the way back."""
    chains: tuple[str, ...] = ()
    """The chains that led there, from the hook's own to `by`; empty where no rule was followed."""
    rule: str = ""
    """The rule as the node's own tool prints it."""
    marked_by: str = ""
    """For masquerading: the chain that had marked the packet for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A packet at one place."""

    host: str
    kind: HostKind
    interface: str
    """As in the host; empty for a program of the host that sends, before any rule has seen it."""
    direction: Direction
    source: Address
    destination: Address
    ttl: int = 0
    at_ms: float = 0.0
    """Milliseconds since the first hop of the path."""
    tunnel: tuple[IPv4Address, IPv4Address] | None = None
    """Outer source and destination of a packet that travels inside VXLAN."""
    changes: tuple[Change, ...] = ()
    """What became different since the hop before."""


class Fate(StrEnum):
    """How a packet ended."""

    DELIVERED = "delivered"
    """The host that it was for took it."""
    DROPPED = "dropped"
    """A rule dropped it, and told nobody."""
    REJECTED = "rejected"
    """A rule refused it, and said so."""
    LOST = "lost"
    """It was not seen again, and no rule was seen to drop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where and how a packet ended."""

    fate: Fate
    host: str
    by: str = ""
    """The chain that dropped or rejected it."""
    chains: tuple[str, ...] = ()
    """The chains that led there."""
    rule: str = ""
    """The rule as the node's own tool prints it."""
    reason: str = ""
    """Why it was lost, as far as the kernel's counters tell: a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One packet's way."""

    packet: str
    """What it is: ``SYN``, ``SYN, ACK``, ``RST``, ``UDP, 9 bytes``, ``ICMP port unreachable``."""
    hops: tuple[Hop, ...]
    end: End
    is_reply: bool = False
    """Whether it goes to the source rather than away from it."""
    is_stranger: bool = False
    """Whether it reached the source from somebody that the source had not asked."""
    sent_again: int = 0
    """How many times more its sender sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """What became of one attempt of a flow."""

    flow: Flow
    dataplane: str
    legs: tuple[Leg, ...]
    outcome: Outcome
    """As the source saw it."""
    pod: str | None = None
    """Who answered, by its own word."""
    source_seen: IPv4Address | None = None
    """The client address that the one who answered saw."""
    verdict: str = ""
    """What happened, in a sentence."""
    specified: str = ""
    """What the specification says of the flow, and why; empty where it says nothing."""
    attempts: int = 1
    """How many attempts went this way."""
    more_packets: int = 0
    """Packets of the same attempt that `legs` leaves out."""
    notes: tuple[str, ...] = ()
    """What could not be watched, in sentences."""
