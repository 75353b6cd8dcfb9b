"""One transaction that turns one ruleset into another, as ``nft -f`` reads it.

It names only what differs: nobody's connections and counters suffer for a change of somebody else's
Service. nft gives all of it to the kernel at once; packets meet the old rules or the new ones.

Source: nft(8); kubernetes v1.36 pkg/proxy/nftables/proxier.go, syncProxyRules, for the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labkit.dataplane.nftables.rules import Chain, Collection, NftRuleset, NftTable

NAMED_SET: Final = re.compile(r"@([\w.-][\w./-]*)")


def transaction(before: NftRuleset, after: NftRuleset) -> str:
    """Return the transaction; empty text if nothing differs.

    New chains come before the elements that lead to them, and chains that are gone are deleted
    when nothing leads to them any more.
    """
    old, new = before.by_name(), after.by_name()
    lines = [f"delete table ip {name}" for name in old if name not in new]
    for name, table in new.items():
        if name not in old:
            lines.append(table.text().rstrip())
        elif old[name] != table:
            lines += _TableChanges(old[name], table).lines()
    return "".join(f"{line}\n" for line in lines)


def whole(rules: NftRuleset) -> str:
    """Return the transaction that makes every table, whatever is left of one of its name."""
    # To delete a table that is not there would be refused.
    lines = [f"{verb} table ip {name}" for name in rules.by_name() for verb in ("add", "delete")]
    return "".join(f"{line}\n" for line in [*lines, rules.nft_text().rstrip()])


def replacement(before: NftRuleset, after: NftRuleset) -> str:
    """Return the transaction that deletes every table and makes the new ones.

    Some kernels before 6.2 hold a chain for a moment after the last element that led to it was
    deleted, and refuse to delete it (EBUSY): kube-proxy waits for a second there. A whole table
    they give up at once. (6.1.176 no longer does so.)
    """
    lines = [f"delete table ip {name}" for name in before.by_name()]
    return "".join(f"{line}\n" for line in [*lines, after.nft_text().rstrip()])


@dataclass(frozen=True, slots=True)
class _TableChanges:
    """What turns one table into another of the same name."""

    before: NftTable
    after: NftTable

    def lines(self) -> Iterator[str]:
        """The commands, in an order in which nothing leads to what is not there."""
        remade = self._remade_sets()
        new, changed, gone = self._new_chains(), self._changed_chains(remade), self._gone_chains()
        yield from (self._command("add chain", _defined(chain)) for chain in new)
        # Rules let go of sets and chains before those are deleted.
        yield from (self._command("flush chain", chain.name) for chain in (*changed, *gone))
        yield from self._gone_elements(remade)
        for name in (*remade, *(n for n in self.before.collections if not self._stays(n))):
            yield self._command("delete set", name)
        yield from self._new_sets(remade)
        yield from self._new_elements(remade)
        for chain in (*new, *changed):
            yield from (self._command("add rule", f"{chain.name} {rule}") for rule in chain.rules)
        yield from (self._command("delete chain", chain.name) for chain in gone)

    def _command(self, verb: str, rest: str) -> str:
        return f"{verb} ip {self.after.name} {rest}"

    def _stays(self, name: str) -> bool:
        return name in self.after.collections

    # --- sets and maps ---

    def _remade_sets(self) -> tuple[str, ...]:
        """Sets of another definition: the kernel cannot change a set's type or timeout."""
        return tuple(
            name
            for name, collection in self.after.collections.items()
            if (old := self.before.collections.get(name)) is not None
            and old.definition != collection.definition
        )

    def _new_sets(self, remade: tuple[str, ...]) -> Iterator[str]:
        for name, collection in self.after.collections.items():
            if name in remade or name not in self.before.collections:
                statements = "".join(f"{line}; " for line in collection.definition)
                yield self._command(f"add {collection.kind}", f"{name} {{ {statements}}}")

    def _old_elements(self, name: str, remade: tuple[str, ...]) -> Collection | None:
        """A collection whose elements the kernel still has; None for one that it makes new."""
        return None if name in remade else self.before.collections.get(name)

    def _gone_elements(self, remade: tuple[str, ...]) -> Iterator[str]:
        for name, collection in self.after.collections.items():
            old = self._old_elements(name, remade)
            if old is None:
                continue
            for key, element in old.elements.items():
                if collection.elements.get(key) != element:
                    yield self._command("delete element", f"{name} {{ {key} }}")

    def _new_elements(self, remade: tuple[str, ...]) -> Iterator[str]:
        for name, collection in self.after.collections.items():
            old = self._old_elements(name, remade)
            known = old.elements if old is not None else {}
            for key, element in collection.elements.items():
                if known.get(key) != element:
                    yield self._command("add element", f"{name} {{ {element.text(key)} }}")

    # --- chains ---

    def _new_chains(self) -> tuple[Chain, ...]:
        return _without(self.after.chains, self.before.chains)

    def _changed_chains(self, remade: tuple[str, ...]) -> tuple[Chain, ...]:
        """Chains of other rules, and those that use a set which is made anew."""
        return tuple(
            chain
            for name, chain in self.after.chains.items()
            if (old := self.before.chains.get(name)) is not None
            and (old.rules != chain.rules or _uses(old, remade) or _uses(chain, remade))
        )

    def _gone_chains(self) -> tuple[Chain, ...]:
        return _without(self.before.chains, self.after.chains)


def _without(chains: Mapping[str, Chain], others: Mapping[str, Chain]) -> tuple[Chain, ...]:
    return tuple(chain for name, chain in chains.items() if name not in others)


def _uses(chain: Chain, sets: tuple[str, ...]) -> bool:
    return any(name in sets for rule in chain.rules for name in NAMED_SET.findall(rule))


def _defined(chain: Chain) -> str:
    statements = "".join(f"{line.rstrip(';')}; " for line in chain.definition())
    return f"{chain.name} {{ {statements}}}" if statements else chain.name
