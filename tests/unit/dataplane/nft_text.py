"""A reader of ``nft list ruleset`` that knows only its layout, not labkit's rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

BLOCK = re.compile(r"^\t(set|map|chain) (\S+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"^table ip (\S+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
ELEMENTS = re.compile(r"^\t\telements = \{ (.*?) \}$", re.MULTILINE | re.DOTALL)
NEXT = re.compile(r",\s+")
HIGHEST_BIT = ("meta mark != 0x00000000/1", "meta mark & 0x80000000 != 0x00000000")
"""What nft makes of a mark's highest bit, and how it writes all others."""


@dataclass(frozen=True)
class Listed:
    """A set, map or chain: its statements in order, and its elements in any order."""

    kind: str
    statements: tuple[str, ...]
    elements: frozenset[str] = frozenset()


Table = Mapping[str, Listed]


def read_tables(text: str) -> Mapping[str, Table]:
    """Every IPv4 table by name, with its sets, maps and chains by name."""
    return {name: _read(body) for name, body in TABLE.findall(text)}


def _read(body: str) -> Table:
    found: dict[str, Listed] = {}
    for kind, name, block in BLOCK.findall(body):
        elements: frozenset[str] = frozenset()
        if kind != "chain" and (listed := ELEMENTS.search(block)):
            elements = frozenset(NEXT.split(listed[1]))
        statements = ELEMENTS.sub("", block) if kind != "chain" else block
        lines = tuple(
            line.strip().replace(*HIGHEST_BIT) for line in statements.splitlines() if line.strip()
        )
        assert name not in found
        found[name] = Listed(kind, lines, elements)
    return found
