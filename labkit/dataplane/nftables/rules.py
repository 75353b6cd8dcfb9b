"""nftables rules as frozen data, and their text as ``nft list ruleset`` prints it.

The text is also what ``nft -f`` reads, so what is shown is what is installed.
Source: nft(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal, final

from labkit.dataplane.parts import Changed, Parts
from labkit.dataplane.rules import Ruleset

NUMBER: Final = re.compile(r"\d+")
NEXT_LINE: Final = ",\n\t\t\t     "
"""How nft goes on with the elements of a set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """What a set or map knows of one key: a comment, and in a map where it leads."""

    verdict: str = ""
    comment: str = ""

    def text(self, key: str) -> str:
        """The element as nft writes it."""
        said = f' comment "{self.comment}"' if self.comment else ""
        leads = f" : {self.verdict}" if self.verdict else ""
        return f"{key}{said}{leads}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A named set or map.

    Elements of a dynamic one come from packets: the rules do not say what they are.
    """

    name: str
    kind: Literal["set", "map"] = "set"
    definition: tuple[str, ...]
    """Its type, flags, timeout and comment, one statement each."""
    elements: Mapping[str, Element] = field(default_factory=dict)

    def text(self) -> str:
        """The whole set as nft lists it."""
        lines = [f"\t{self.kind} {self.name} {{", *(f"\t\t{line}" for line in self.definition)]
        if self.elements:
            lines.append(f"\t\telements = {{ {self._listed()} }}")
        return "\n".join([*lines, "\t}"])

    def _listed(self) -> str:
        texts = [element.text(key) for key, element in self.elements.items()]
        width = 1 if any(" " in text for text in texts) else 2
        lines = (", ".join(texts[at : at + width]) for at in range(0, len(texts), width))
        return NEXT_LINE.join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain and its rules, in match order."""

    name: str
    rules: tuple[str, ...] = ()
    hook: str = ""
    """Where packets enter it; empty for a chain that is jumped to."""
    comment: str = ""

    def definition(self) -> tuple[str, ...]:
        """What comes before its rules."""
        said = (f'comment "{self.comment}"',) if self.comment else ()
        return (*said, self.hook) if self.hook else said

    def text(self) -> str:
        """The whole chain as nft lists it."""
        lines = (f"\t\t{line}" for line in (*self.definition(), *self.rules))
        return "\n".join([f"\tchain {self.name} {{", *lines, "\t}"])


@dataclass(frozen=True, slots=True, kw_only=True)
class NftTable:
    """One table of the ip family."""

    name: str
    comment: str = ""
    collections: Mapping[str, Collection] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)

    def text(self) -> str:
        """The whole table as nft lists it."""
        said = [f'\tcomment "{self.comment}"'] if self.comment else []
        blocks = [each.text() for each in self.collections.values()]
        blocks += [each.text() for each in self.chains.values()]
        return "\n".join([f"table ip {self.name} {{", *said, "\n\n".join(blocks), "}\n"])


@dataclass(frozen=True, slots=True)
class PortObjects:
    """What one Service port adds to kube-proxy's table: elements, chains and sets of its own."""

    elements: dict[str, dict[str, Element]] = field(default_factory=dict)
    """By the name of the set or map, and by key. Two ports may have the same one."""
    chains: dict[str, Chain] = field(default_factory=dict)
    affinity: dict[str, Collection] = field(default_factory=dict)

    def add_element(self, name: str, key: str, element: Element) -> None:
        """Add an element of a set or map that is there for all Services; while it is written."""
        self.elements.setdefault(name, {})[key] = element

    def add_chain(self, name: str, rules: Sequence[str]) -> None:
        """Add a chain of the Service port; while it is written."""
        self.chains[name] = Chain(name=name, rules=tuple(rules))


Counts = Mapping[str, Mapping[str, int]]
"""By the name of the set or map, and by key."""


def count_holders(before: Counts, changes: Iterable[Changed[PortObjects]]) -> Counts:
    """Return how many ports have each key, after some have changed."""
    after: dict[str, dict[str, int]] = {}
    for change in changes:
        for port, more in ((change.before, -1), (change.after, 1)):
            for name, held in port.elements.items() if port else ():
                if name not in after:
                    after[name] = dict(before.get(name, {}))
                counts = after[name]
                for key in held:
                    counts[key] = counts.get(key, 0) + more
                    if not counts[key]:
                        del counts[key]
    return {**before, **after}


@final
@dataclass(frozen=True)
class NftRuleset:
    """Everything that one node's kernel holds: equal rulesets are the same text."""

    frame: tuple[NftTable, ...] = ()
    """The tables; kube-proxy's, which is the first, without what Services add to it."""
    iptables: Ruleset = field(default_factory=Ruleset)
    """What others keep there with iptables: CNI plugins do, beside any data plane."""
    services: Parts[PortObjects] = field(default_factory=Parts)
    holders: Counts = field(default_factory=dict, compare=False)
    """How many Service ports have a key of a set or map."""

    @cached_property
    def tables(self) -> tuple[NftTable, ...]:
        """The tables, with everything."""
        if not self.services.by_port:
            return self.frame
        first, *others = self.frame
        elements = self.elements()
        collections = {
            name: replace(each, elements=dict(sorted(elements[name].items(), key=_by_numbers)))
            for name, each in first.collections.items()
        }
        chains = dict(first.chains)
        for port in self.services.ordered():
            collections |= port.affinity
            chains |= port.chains
        return (replace(first, collections=collections, chains=chains), *others)

    def elements(self) -> Mapping[str, Mapping[str, Element]]:
        """The elements of each set and map of the first table; of equal keys the last counts."""
        found = {name: dict(each.elements) for name, each in self.frame[0].collections.items()}
        for port in self.services.ordered():
            for name, more in port.elements.items():
                found[name].update(more)
        return found

    def text(self) -> str:
        """The rules as the kernel's own tools print them."""
        return self.nft_text() + self.iptables.text()

    def nft_text(self) -> str:
        """The rules as ``nft list ruleset`` prints them, without counters."""
        return "".join(table.text() for table in self.tables)

    def by_name(self) -> Mapping[str, NftTable]:
        """The tables by their names."""
        return {table.name: table for table in self.tables}


def _by_numbers(item: tuple[str, Element]) -> tuple[tuple[int, ...], str]:
    key, _ = item
    return tuple(map(int, NUMBER.findall(key))), key
