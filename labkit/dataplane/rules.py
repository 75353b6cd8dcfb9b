"""iptables rules as frozen data, and their text as iptables-save prints it.

The text is also what iptables-restore reads, so what is shown is what is installed.
Source: iptables-save(8), iptables-restore(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Ruleset:
    """Everything that one node's iptables hold: equal rulesets are the same text."""

    tables: tuple[Table, ...] = ()

    def text(self) -> str:
        """The rules as iptables-save prints them, without counters and dates."""
        return "".join(f"{line}\n" for table in self.tables for line in table.lines())

    def changes_from(self, previous: Ruleset) -> str:
        """Return the input of ``iptables-restore --noflush`` that turns ``previous`` into this.

        Only chains that differ are named; one that is gone is emptied and deleted. Empty text if
        nothing differs.
        """
        before = {table.name: table for table in previous.tables}
        lines = [
            line
            for table in self.tables
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
    return [
        f"*{after.name}",
        # Naming a chain of one's own empties it; a built-in one must be told to.
        *(f":{chain} - [0:0]" for chain in (*changed, *gone) if chain not in built_in),
        *(f"-F {chain}" for chain in built_in),
        *(f"-A {chain} {rule}" for chain, rules in changed.items() for rule in rules),
        *(f"-X {chain}" for chain in gone),
        "COMMIT",
    ]
