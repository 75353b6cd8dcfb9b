"""As much of nft and its kernel as judges a transaction: names, references, and all or nothing.

What leads to a chain or looks into a set keeps it from being deleted, and must find it there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from tests.unit.dataplane.nft_text import BLOCK, ELEMENTS, NEXT, TABLE

LEADS_TO = re.compile(r"(?:goto|jump) ([\w./-]+)")
LOOKS_INTO = re.compile(r"@([\w./-]+)")
COMMENT = re.compile(r' ?comment "[^"]*"')
COMMAND = re.compile(r"(\w+) (\w+) ip (\S+)(?: (\S+))?(?: (.*))?")
BODY = re.compile(r"^\{ (.*) \}$")


class Refused(Exception):  # noqa: N818 - named for what it says
    """The kernel would not take it."""


@dataclass
class Table:
    """Chains and sets by name; an element is its key and all of its text."""

    definitions: dict[str, frozenset[str]] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)
    elements: dict[str, dict[str, str]] = field(default_factory=dict)

    def references(self) -> set[str]:
        """Names that rules and elements use."""
        texts = [rule for rules in self.rules.values() for rule in rules]
        texts += [text for some in self.elements.values() for text in some.values()]
        plain = [COMMENT.sub("", text) for text in texts]
        return {
            name for text in plain for name in (*LEADS_TO.findall(text), *LOOKS_INTO.findall(text))
        }

    def require(self, *names: str) -> None:
        """Refuse what uses a name that nobody has."""
        for name in names:
            if name not in self.definitions:
                raise Refused(f"{name} is not there")

    def define(self, name: str, text: str) -> None:
        """Remember what comes before rules and elements."""
        if name in self.definitions:
            raise Refused(f"{name} is already there")
        self.definitions[name] = frozenset(each.strip() for each in text.split(";") if each.strip())

    def add_chain(self, name: str, text: str) -> None:
        self.define(name, text)
        self.rules[name] = []

    def add_set(self, name: str, text: str) -> None:
        self.define(name, text)
        self.elements[name] = {}

    def add_rule(self, name: str, text: str) -> None:
        self.require(name, *LEADS_TO.findall(text), *LOOKS_INTO.findall(text))
        self.rules[name].append(text)

    def add_element(self, name: str, text: str) -> None:
        self.require(name, *LEADS_TO.findall(text))
        if _key(text) in self.elements[name]:
            raise Refused(f"{text} is already there")
        self.elements[name][_key(text)] = text

    def delete_element(self, name: str, text: str) -> None:
        self.require(name)
        if self.elements[name].pop(text, None) is None:
            raise Refused(f"{text} is not in {name}")

    def flush_chain(self, name: str, _text: str) -> None:
        self.require(name)
        self.rules[name].clear()

    def delete_chain(self, name: str, _text: str) -> None:
        self.require(name)
        if name in self.references() or self.rules.get(name):
            raise Refused(f"{name} is in use")
        del self.definitions[name]
        self.rules.pop(name, None)
        self.elements.pop(name, None)

    add_map, delete_set = add_set, delete_chain


class Kernel:
    """The tables of one network namespace."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}

    def load(self, text: str) -> None:
        """Run a whole input of ``nft -f``, or nothing of it."""
        before = deepcopy(self.tables)
        try:
            for line in TABLE.sub("", text).splitlines():
                if line:
                    self._command(line)
            for name, body in TABLE.findall(text):
                self._whole_table(name, body)
        except Refused:
            self.tables = before
            raise

    def _whole_table(self, name: str, body: str) -> None:
        if name in self.tables:
            raise Refused(f"table {name} is already there")
        table = self.tables[name] = Table()
        for kind, each, block in BLOCK.findall(body):
            listed = ELEMENTS.search(block)
            lines = [line.strip() for line in ELEMENTS.sub("", block).splitlines() if line.strip()]
            if kind == "chain":
                said = [line for line in lines if line.startswith(("type ", "comment "))]
                table.add_chain(each, ";".join(said))
                table.rules[each] = [line for line in lines if line not in said]
            else:
                table.add_set(each, ";".join(lines))
                texts = NEXT.split(listed[1]) if listed else []
                table.elements[each] = {_key(text): text for text in texts}
        table.require(*table.references())

    def _command(self, line: str) -> None:
        found = COMMAND.fullmatch(line)
        if not found or found[3] not in self.tables:
            raise Refused(f"cannot read, or finds no table: {line!r}")
        verb, kind, table, name, rest = found.groups(default="")
        if (verb, kind) == ("delete", "table"):
            del self.tables[table]
            return
        body = BODY.fullmatch(rest)
        act: Callable[[str, str], None] = getattr(self.tables[table], f"{verb}_{kind}")
        act(name, body[1] if body else rest)


def _key(element: str) -> str:
    return COMMENT.sub("", element).partition(" : ")[0]
