"""What every picture of a path is made of: rows of hops, and sentences about them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from labkit.probe.flow import Flow
from labkit.trace.packet import Direction
from labkit.trace.path import Address, Change, End, Fate, Hop, Leg, Path

MANY_PLACES: Final = 24
"""More than any way has but one in circles."""
SHOWN_OF_MANY: Final = 12
PROGRAM: Final = "program"
"""Stands for the interface where a packet is in no interface yet, or no more."""
RULES: Final = "rules"
"""The same for one that no program received: rules rewrote it and then it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One place of a packet, or two interfaces of a host that it crossed unchanged."""

    number: int
    host: str
    where: str
    """``eth0 in``, ``cni0, veth-web-1 out``, ``program``, ``rules``."""
    source: Address
    destination: Address
    changes: tuple[Change, ...]
    """What became different since the row before."""
    in_tunnel: str
    """``in VXLAN 192.168.0.1 to 192.168.0.2``, or nothing."""


def rows(leg: Leg) -> tuple[Row, ...]:
    """Return a packet's places; a bridge and its port, or a tunnel and its carrier, are one row.

    Of a packet that went in circles the first places and the last; the numbers tell of the rest.
    """
    groups: list[list[Hop]] = []
    for hop in leg.hops:
        if groups and _goes_on(groups[-1][-1], hop):
            groups[-1].append(hop)
        else:
            groups.append([hop])
    every = tuple(_row(number, group, leg.end) for number, group in enumerate(groups, start=1))
    return every if len(every) <= MANY_PLACES else every[:SHOWN_OF_MANY] + every[-1:]


def _goes_on(before: Hop, after: Hop) -> bool:
    """Whether a hop is but another interface on the same way in or out of a host."""
    return (
        before.host == after.host
        and before.direction is after.direction
        and not after.changes
        and bool(before.interface and after.interface)
    )


def _row(number: int, group: list[Hop], end: End) -> Row:
    first = group[0]
    arrived = first.direction is Direction.OUT or end.fate is Fate.DELIVERED
    names = ", ".join(dict.fromkeys(hop.interface for hop in group))
    tunnel = next((hop.tunnel for hop in group if hop.tunnel), None)
    return Row(
        number=number,
        host=first.host,
        where=f"{names} {first.direction}" if first.interface else PROGRAM if arrived else RULES,
        source=first.source,
        destination=first.destination,
        changes=first.changes,
        in_tunnel=f"in VXLAN {tunnel[0]} to {tunnel[1]}" if tunnel else "",
    )


def title(path: Path) -> str:
    """Return ``client to 192.168.0.2:30080 TCP: NodePort node2 of default/my-nginx:http``."""
    flow = path.flow
    return f"{flow.source} to {Address(flow.address, flow.dport)} {flow.protocol}{service(flow)}"


def service(flow: Flow) -> str:
    """Return ``: NodePort node2 of default/my-nginx:http``, or nothing."""
    if not flow.service:
        return ""
    port = f":{flow.port}" if flow.port else ""
    via = " ".join(word for word in (flow.via, flow.node) if word)
    return f": {via} of {flow.service}{port}"


def leg_words(leg: Leg) -> str:
    """Return ``SYN, ACK (the answer), sent 3 times``."""
    notes = []
    if leg.is_stranger:
        notes.append("an answer from a stranger")
    elif leg.is_reply:
        notes.append("the answer")
    if leg.sent_again:
        notes.append(f"sent {leg.sent_again + 1} times")
    return f"{leg.packet} ({'; '.join(notes)})" if notes else leg.packet


def change_words(change: Change) -> str:
    """Return ``destination becomes 10.244.1.2:80 by KUBE-SEP-…``."""
    marked = f", as {change.marked_by} had marked it" if change.marked_by else ""
    return f"{change.field} becomes {change.after} by {change.by}{marked}"


def end_words(end: End) -> str:
    """Return how a packet ended, in a few words."""
    match end.fate:
        case Fate.DELIVERED:
            return f"delivered to {end.host}"
        case Fate.LOST:
            return f"lost on {end.host}: {end.reason}"
        case Fate.DROPPED:
            return f"dropped on {end.host} by {end.by}"
        case Fate.REJECTED:
            return f"rejected on {end.host} by {end.by}"


def attempts_words(paths: Sequence[Path], path: Path) -> str:
    """Return ``3 of 10 attempts``; nothing for a single attempt."""
    total = sum(each.attempts for each in paths if each.dataplane == path.dataplane)
    return f"{path.attempts} of {total} attempts" if total > 1 else ""


def more_words(path: Path) -> str:
    """Return what is left out, or nothing."""
    if not path.more_packets:
        return ""
    what = "packet follows" if path.more_packets == 1 else "packets follow"
    return f"{path.more_packets} more {what}; --packets N shows them"
