"""What the Service ports of a node want together, kept up to date change by change.

Several ports can want the same thing: an address of a Service with two ports, a NodePort's element,
the hairpin of a pod behind two Services. It is counted, and goes with the last that wants it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import NamedTuple, TypeVar

from labkit.dataplane.ipvs.tables import Entry, Place, PortTables, ServerKey, VirtualServer
from labkit.dataplane.parts import Changed

K = TypeVar("K")


class Owned(NamedTuple):
    """A virtual server, and which port wants it so."""

    place: Place
    server: VirtualServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Everything that ports want, each with how many want it."""

    servers: Mapping[ServerKey, tuple[Owned, ...]] = field(default_factory=dict)
    """By protocol, address and port, with every port that wants it in their order."""
    sets: Mapping[str, Mapping[Entry, int]] = field(default_factory=dict)
    """The elements of each ipset that has had any."""
    addresses: Mapping[IPv4Address, int] = field(default_factory=dict)
    refused: Mapping[Place, Sequence[str]] = field(default_factory=dict)
    """Rules against the node's own calls, by the port that they are of."""

    def server(self, key: ServerKey) -> VirtualServer | None:
        """The virtual server of a key; of several Services that want it, the last one's."""
        owned = self.servers.get(key)
        return owned[-1].server if owned else None

    def elements(self, name: str) -> Mapping[Entry, int]:
        """What an ipset holds."""
        return self.sets.get(name, {})

    @property
    def filled(self) -> frozenset[str]:
        """The ipsets that hold something."""
        return frozenset(name for name, entries in self.sets.items() if entries)

    @property
    def refused_to_node(self) -> tuple[str, ...]:
        """The rules against the node's own calls, in the order of the ports."""
        return tuple(rule for place in sorted(self.refused) for rule in self.refused[place])


def merge(before: Merged, changes: Iterable[Changed[PortTables]]) -> Merged:
    """Return what is wanted after ports have changed; what none of them wants is not looked at."""
    changed = list(changes)
    if not changed:
        return before
    gone = [each.before for each in changed if each.before is not None]
    new = [each.after for each in changed if each.after is not None]
    return Merged(
        servers=_servers(before.servers, gone, new),
        sets=_sets(before.sets, gone, new),
        addresses=_counted(
            before.addresses,
            (address for each in gone for address in each.addresses),
            (address for each in new for address in each.addresses),
        ),
        refused=_refused(before.refused, gone, new),
    )


def _servers(
    before: Mapping[ServerKey, tuple[Owned, ...]],
    gone: Sequence[PortTables],
    new: Sequence[PortTables],
) -> Mapping[ServerKey, tuple[Owned, ...]]:
    after = dict(before)
    for part in gone:
        for server in part.virtual_servers:
            left = tuple(each for each in after.pop(server.key) if each.place != part.place)
            if left:
                after[server.key] = left
    for part in new:
        for server in part.virtual_servers:
            owned = (*after.get(server.key, ()), Owned(part.place, server))
            after[server.key] = tuple(sorted(owned, key=_place)) if owned[1:] else owned
    return after


def _place(owned: Owned) -> Place:
    return owned.place


def _sets(
    before: Mapping[str, Mapping[Entry, int]],
    gone: Sequence[PortTables],
    new: Sequence[PortTables],
) -> Mapping[str, Mapping[Entry, int]]:
    old_members, new_members = _by_set(gone), _by_set(new)
    changed = {
        name: _counted(before.get(name, {}), old_members.get(name, ()), new_members.get(name, ()))
        for name in old_members.keys() | new_members.keys()
    }
    return {**before, **changed}


def _by_set(parts: Sequence[PortTables]) -> Mapping[str, Sequence[Entry]]:
    found: defaultdict[str, list[Entry]] = defaultdict(list)
    for part in parts:
        for name, entry in part.members:
            found[name].append(entry)
    return found


def _counted(before: Mapping[K, int], gone: Iterable[K], new: Iterable[K]) -> Mapping[K, int]:
    """Count what is gone down and what is new up; the same mapping if nothing differs in the end.

    A node's mapping is long and a change is short, so the long one is copied and not walked.
    """
    change = Counter(new)
    if not before:
        return change
    change.subtract(gone)
    if not any(change.values()):
        return before
    after = dict(before)
    for key, count in change.items():
        left = after.get(key, 0) + count
        if left:
            after[key] = left
        else:
            after.pop(key, None)
    return after


def _refused(
    before: Mapping[Place, Sequence[str]], gone: Sequence[PortTables], new: Sequence[PortTables]
) -> Mapping[Place, Sequence[str]]:
    if not any(each.refused_to_node for each in (*gone, *new)):
        return before
    after = dict(before)
    for each in gone:
        after.pop(each.place, None)
    after |= {each.place: each.refused_to_node for each in new if each.refused_to_node}
    return after
