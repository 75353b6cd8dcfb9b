"""The steps that turn one table into another, so that nothing ever leads to what is not there.

They name only what differs: nobody's connections and counters suffer for a change of somebody
else's Service.

Source: nft(8); kubernetes v1.36 pkg/proxy/nftables/proxier.go, syncProxyRules, for the order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from labkit.dataplane.nftables.rules import Chain, Collection, Element, NftTable

NAMED_SET: Final = re.compile(r"@([\w.-][\w./-]*)")


class AddChain(NamedTuple):
    """Make a chain without rules."""

    chain: Chain


class FlushChain(NamedTuple):
    """Take all rules from a chain."""

    name: str


class DeleteChain(NamedTuple):
    """Delete a chain that nothing leads to."""

    name: str


class AddRules(NamedTuple):
    """Append rules to a chain."""

    chain: str
    rules: Sequence[str]


class AddSet(NamedTuple):
    """Make a set or map without elements."""

    collection: Collection


class DeleteSet(NamedTuple):
    """Delete a set or map that no rule uses."""

    name: str


class AddElements(NamedTuple):
    """Add elements to a set or map."""

    name: str
    elements: Mapping[str, Element]


class DeleteElements(NamedTuple):
    """Take elements from a set or map."""

    name: str
    keys: Sequence[str]


Step = (
    AddChain
    | FlushChain
    | DeleteChain
    | AddRules
    | AddSet
    | DeleteSet
    | AddElements
    | DeleteElements
)


def steps(before: NftTable, after: NftTable) -> Iterator[Step]:
    """Return the steps of one transaction; none if nothing differs."""
    return _TableChanges(before, after).steps()


@dataclass(frozen=True, slots=True)
class _TableChanges:
    """What turns one table into another of the same name."""

    before: NftTable
    after: NftTable

    def steps(self) -> Iterator[Step]:
        remade = self._remade_sets()
        new, changed, gone = self._new_chains(), self._changed_chains(remade), self._gone_chains()
        yield from map(AddChain, new)
        # Rules let go of sets and chains before those are deleted.
        yield from (FlushChain(chain.name) for chain in (*changed, *gone))
        yield from self._gone_elements(remade)
        for name in (*remade, *(n for n in self.before.collections if not self._stays(n))):
            yield DeleteSet(name)
        yield from self._new_sets(remade)
        yield from self._new_elements(remade)
        yield from (AddRules(chain.name, chain.rules) for chain in (*new, *changed) if chain.rules)
        yield from (DeleteChain(chain.name) for chain in gone)

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

    def _new_sets(self, remade: tuple[str, ...]) -> Iterator[Step]:
        for name, collection in self.after.collections.items():
            if name in remade or name not in self.before.collections:
                yield AddSet(collection)

    def _old_elements(self, name: str, remade: tuple[str, ...]) -> Collection | None:
        """A collection whose elements the kernel still has; None for one that it makes new."""
        return None if name in remade else self.before.collections.get(name)

    def _gone_elements(self, remade: tuple[str, ...]) -> Iterator[Step]:
        for name, collection in self.after.collections.items():
            old = self._old_elements(name, remade)
            if old is None:
                continue
            now = collection.elements
            gone = [key for key, element in old.elements.items() if now.get(key) != element]
            if gone:
                yield DeleteElements(name, gone)

    def _new_elements(self, remade: tuple[str, ...]) -> Iterator[Step]:
        for name, collection in self.after.collections.items():
            old = self._old_elements(name, remade)
            known = old.elements if old is not None else {}
            new = {
                key: element
                for key, element in collection.elements.items()
                if known.get(key) != element
            }
            if new:
                yield AddElements(name, new)

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
