"""Whether ``nft list ruleset`` still shows rendered rules. Pure.

Source: nft(8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from labkit.dataplane.nftables.rules import NftRuleset

TABLE: Final = re.compile(r"^table ip (\S+) \{\n(.*?)^\}$", re.MULTILINE | re.DOTALL)
BLOCK: Final = re.compile(r"^\t(?:set|map|chain) (\S+) \{\n(.*?)^\t\}$", re.MULTILINE | re.DOTALL)
ELEMENTS: Final = re.compile(r"^\t\telements = \{ (.*?) \}$", re.MULTILINE | re.DOTALL)
NEXT: Final = re.compile(r",\s+")
HIGHEST_BIT: Final = ("meta mark != 0x00000000/1", "meta mark & 0x80000000 != 0x00000000")
"""What nft makes of a mark's highest bit, and how it writes all others."""


class _Block(NamedTuple):
    """A chain's rules; or a set's definition, and its elements in any order."""

    statements: str
    elements: frozenset[str]


def is_held(rules: NftRuleset, listed: str) -> bool:
    """Whether every chain, set and element of ``rules`` is among what is listed.

    Elements that packets have added do not count, and neither do other tables.
    """
    found = _blocks(listed)
    return all(
        name in found
        and found[name].statements == block.statements
        and found[name].elements >= block.elements
        for name, block in _blocks(rules.nft_text()).items()
    )


def _blocks(text: str) -> Mapping[tuple[str, str], _Block]:
    return {
        (table, name): _block(block)
        for table, body in TABLE.findall(text)
        for name, block in BLOCK.findall(body)
    }


def _block(text: str) -> _Block:
    elements = ELEMENTS.search(text)
    return _Block(
        statements=ELEMENTS.sub("", text).replace(*HIGHEST_BIT).strip(),
        elements=frozenset(NEXT.split(elements[1]) if elements else ()),
    )
