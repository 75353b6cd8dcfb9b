"""iptables rules as frozen data, and their text as iptables-save prints it.

The text is also what iptables-restore reads, so what is shown is what is installed.
Source: iptables-save(8), iptables-restore(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, final

from labkit.dataplane.parts import Changed, Parts, changed_parts

FEW: Final = 50
"""A change of one rule in so many is made in place."""
NO_CHAINS: Final[Mapping[str, Sequence[str]]] = {}
BUILT_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
}
"""Chains that a table has from the start, in the order in which packets meet them."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: the rules of each chain, in match order, without ``-A CHAIN``."""

    name: str
    chains: Mapping[str, tuple[str, ...]]

    def lines(self) -> Iterator[str]:
        """The whole table, built-in chains first."""
        yield f"*{self.name}"
        for chain in self.chains:
            yield f":{chain} {'ACCEPT' if chain in BUILT_IN[self.name] else '-'} [0:0]"
        for chain, rules in self.chains.items():
            for rule in rules:
                yield f"-A {chain} {rule}"
        yield "COMMIT"


class Place(NamedTuple):
    """A chain of a table."""

    table: str
    chain: str


@dataclass(frozen=True, slots=True)
class PortChains:
    """What one Service port adds to tables: chains of its own, and rules of shared ones."""

    by_table: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def at(self, table: str, chain: str) -> list[str]:
        """The rules of one chain, to which more can be added while they are written."""
        return self.by_table.setdefault(table, {}).setdefault(chain, [])

    def get(self, table: str, chain: str) -> Sequence[str] | None:
        """The rules of one chain; None if the port has nothing to do with it."""
        return self.by_table.get(table, NO_CHAINS).get(chain)

    def places(self) -> Iterator[Place]:
        """Every chain that it adds to."""
        for name, chains in self.by_table.items():
            yield from (Place(name, chain) for chain in chains)


@final
@dataclass(frozen=True)
class Ruleset:
    """Everything that one node's iptables hold: equal rulesets are the same text."""

    frame: tuple[Table, ...] = ()
    """The tables without what Services add to them."""
    services: Parts[PortChains] = field(default_factory=Parts)
    """In a chain of the frame, their rules come first. They need it to be there; their own chains
    are no other port's."""

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """The tables, with everything."""
        if not self.services.by_port:
            return self.frame
        added: dict[str, dict[str, list[str]]] = {each.name: {} for each in self.frame}
        for port in self.services.ordered():
            for name, chains in port.by_table.items():
                for chain, rules in chains.items():
                    added[name].setdefault(chain, []).extend(rules)
        return tuple(_with_rules(each, added[each.name]) for each in self.frame)

    def text(self) -> str:
        """The rules as iptables-save prints them, without counters and dates."""
        return "".join(f"{line}\n" for table in self.tables for line in table.lines())

    def changes_from(self, previous: Ruleset) -> str:
        """Return the input of ``iptables-restore --noflush`` that turns ``previous`` into this.

        Only chains that differ are named; one that is gone is emptied and deleted. Empty text if
        nothing differs.
        """
        old, new = _narrowed(previous, self)
        before = {table.name: table for table in old}
        lines = [
            line
            for table in new
            for line in _table_changes(before.get(table.name, Table(table.name, {})), table)
        ]
        return "".join(f"{line}\n" for line in lines)


def table(name: str, chains: Mapping[str, Iterable[str]]) -> Table:
    """Make a table: built-in chains first, then the others by name, as iptables-save lists them."""
    built_in = BUILT_IN[name]
    own = sorted(chain for chain in chains if chain not in built_in)
    return Table(name, {chain: tuple(chains.get(chain, ())) for chain in (*built_in, *own)})


def _table_changes(before: Table, after: Table) -> list[str]:
    changed = {
        chain: rules for chain, rules in after.chains.items() if before.chains.get(chain) != rules
    }
    gone = [chain for chain in before.chains if chain not in after.chains]
    if not changed and not gone:
        return []
    built_in = [chain for chain in changed if chain in BUILT_IN[after.name]]
    edited = {
        chain: edits
        for chain, rules in changed.items()
        if chain not in built_in and (edits := _edits(chain, before.chains.get(chain, ()), rules))
    }
    rewritten = {chain: rules for chain, rules in changed.items() if chain not in edited}
    return [
        f"*{after.name}",
        # Naming a chain of one's own empties it; a built-in one must be told to.
        *(f":{chain} - [0:0]" for chain in (*rewritten, *gone) if chain not in built_in),
        *(f"-F {chain}" for chain in built_in),
        *(f"-A {chain} {rule}" for chain, rules in rewritten.items() for rule in rules),
        *(line for edits in edited.values() for line in edits),
        *(f"-X {chain}" for chain in gone),
        "COMMIT",
    ]


def _edits(chain: str, before: Sequence[str], after: Sequence[str]) -> list[str]:
    """Commands that turn one long chain into another; none where it is best written anew.

    It must hold nothing else: rules are named by their numbers. Ten thousand rules take
    iptables-restore a second to write, and a tenth of that to read.
    """
    shorter = min(len(before), len(after))
    begin = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    left = shorter - begin
    end = next((at for at in range(left) if before[-1 - at] != after[-1 - at]), left)
    gone, new = len(before) - begin - end, after[begin : len(after) - end]
    if FEW * (gone + len(new)) > len(before):
        return []
    deletions = [f"-D {chain} {begin + 1}"] * gone
    return deletions + [f"-I {chain} {begin + at} {rule}" for at, rule in enumerate(new, 1)]


def _with_rules(frame: Table, added: Mapping[str, Sequence[str]]) -> Table:
    chains = {**frame.chains, **added}
    return table(
        frame.name,
        {chain: (*added.get(chain, ()), *frame.chains.get(chain, ())) for chain in chains},
    )


def _narrowed(before: Ruleset, after: Ruleset) -> tuple[Sequence[Table], Sequence[Table]]:
    """The tables of both, without chains that are surely the same in them."""
    if before.frame != after.frame or not (before.services.by_port and after.services.by_port):
        return before.tables, after.tables
    changes = changed_parts(before.services, after.services)
    touched = sorted({place for change in changes for place in _touched(change)})
    return (
        _chains(before, touched, [each.before for each in changes if each.before]),
        _chains(after, touched, [each.after for each in changes if each.after]),
    )


def _touched(change: Changed[PortChains]) -> Iterator[Place]:
    """Chains for which a port has other rules than before, or none."""
    before, after = change.before or PortChains(), change.after or PortChains()
    for place in {*before.places(), *after.places()}:
        if before.get(*place) != after.get(*place):
            yield place


def _chains(
    rules: Ruleset, places: Sequence[Place], changed: Sequence[PortChains]
) -> Sequence[Table]:
    """The tables with no other chains than those; ``changed`` are the ports that own some."""
    tables = {each.name: each for each in rules.frame}
    found: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in tables}
    for place in places:
        shared = tables[place.table].chains.get(place.chain)
        ports = rules.services.ordered() if shared is not None else changed
        added = [own for port in ports if (own := port.get(*place)) is not None]
        if added or shared is not None:
            every = (*(rule for own in added for rule in own), *(shared or ()))
            found[place.table][place.chain] = every
    return [Table(name, chains) for name, chains in found.items()]
