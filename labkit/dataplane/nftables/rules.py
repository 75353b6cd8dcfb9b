"""nftables rules as frozen data, and their text as ``nft list ruleset`` prints it.

The text is also what ``nft -f`` reads, so what is shown is what is installed.
Source: nft(8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from labkit.dataplane.rules import Ruleset

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
class NftRuleset:
    """Everything that one node's kernel holds: equal rulesets are the same text."""

    tables: tuple[NftTable, ...] = ()
    iptables: Ruleset = field(default_factory=Ruleset)
    """What others keep there with iptables: CNI plugins do, beside any data plane."""

    def text(self) -> str:
        """The rules as the kernel's own tools print them."""
        return self.nft_text() + self.iptables.text()

    def nft_text(self) -> str:
        """The rules as ``nft list ruleset`` prints them, without counters."""
        return "".join(table.text() for table in self.tables)

    def by_name(self) -> Mapping[str, NftTable]:
        """The tables by their names."""
        return {table.name: table for table in self.tables}
