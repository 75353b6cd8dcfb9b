"""What netfilter tells of a traced packet: each rule that it met, in order. Plain data."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

OWN_TABLE: Final = "labkit-trace"
"""The table of the rules that mark packets to be traced; its own events are left out."""


class RuleEvent(NamedTuple):
    """A packet has met a rule, or the end of a chain."""

    packet: int
    """The same for all events of a packet in a hook and table; used again, then with a header."""
    table: str
    chain: str
    rule: int
    """nf_tables: the rule's handle. Legacy: its number in the chain. 0 for the end of a chain."""
    drops: bool | None
    """Whether the packet was dropped here; None if only the rule's text can tell."""
    mark: int
    header: bytes
    """The packet from its IPv4 header on, with the first event of each hook and table."""


class RuleTracer(Protocol):
    """Owns what it takes to be told of the rules that the packets of one namespace meet."""

    def events(self) -> list[RuleEvent]:
        """What was told since it was asked last, in order."""
        ...

    @property
    def lost(self) -> bool:
        """Whether more was told than the socket could hold."""
        ...

    def close(self) -> None:
        """Stop tracing; safe to call again."""
        ...
