"""What turns the tables of a node into others: only what differs, however much there is.

Parts that are the same object need the same, so only those of Service ports that changed are looked
through. What another port still wants of it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from typing import NamedTuple, TypeVar

from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.sets import SETS, order
from labkit.dataplane.ipvs.tables import Member, PortTables, VirtualServer
from labkit.dataplane.parts import Changed, changed_parts

K = TypeVar("K")


class TableChanges(NamedTuple):
    """Elements, virtual servers and addresses that come, go or become others."""

    new_members: Sequence[Member] = ()
    gone_members: Sequence[Member] = ()
    servers: Sequence[Changed[VirtualServer]] = ()
    new_addresses: Sequence[IPv4Address] = ()
    gone_addresses: Sequence[IPv4Address] = ()


def table_changes(before: IpvsRules | None, after: IpvsRules) -> TableChanges:
    """Return what differs, in order; everything for a node without any."""
    if before is None:
        return TableChanges(
            new_members=[
                (name, entry)
                for name in SETS
                for entry in sorted(after.merged.elements(name), key=order)
            ],
            servers=[Changed(None, server) for server in after.virtual_servers],
            new_addresses=after.addresses,
        )
    changed = changed_parts(before.parts, after.parts)
    parts = [part for each in changed for part in each if part is not None]
    members = dict.fromkeys(member for part in parts for member in part.members)
    new_addresses, gone_addresses = _differing(
        before.merged.addresses,
        after.merged.addresses,
        (address for part in parts for address in part.addresses),
    )
    return TableChanges(
        new_members=[m for m in members if not _has(before, m) and _has(after, m)],
        gone_members=[m for m in members if _has(before, m) and not _has(after, m)],
        servers=_servers(before, after, parts),
        new_addresses=sorted(new_addresses, key=int),
        gone_addresses=sorted(gone_addresses, key=int),
    )


def _has(rules: IpvsRules, member: Member) -> bool:
    name, entry = member
    return entry in rules.merged.elements(name)


def _servers(
    before: IpvsRules, after: IpvsRules, parts: Iterable[PortTables]
) -> Sequence[Changed[VirtualServer]]:
    keys = dict.fromkeys(server.key for part in parts for server in part.virtual_servers)
    pairs = (Changed(before.merged.server(key), after.merged.server(key)) for key in keys)
    return [pair for pair in pairs if pair.before != pair.after]


def _differing(
    before: Mapping[K, int], after: Mapping[K, int], asked: Iterable[K]
) -> tuple[set[K], set[K]]:
    """Of what is asked for, what is new and what is gone."""
    keys = set(asked)
    return (
        {key for key in keys if key in after and key not in before},
        {key for key in keys if key in before and key not in after},
    )
