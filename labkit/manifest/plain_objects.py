"""Python objects to trees: what YAML could have said, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.manifest.location import Location
from labkit.manifest.problems import Path, Problem, dotted, quote
from labkit.manifest.tree import Entry, Node, Value

DEEPEST: Final = 100
MOST_VALUES: Final = 4_000_000
"""Values in one object: a list that holds another twice, and so on, is 2**100 values."""
_LARGEST_INT: Final = 1 << 63
NO_LINE: Final = 0
_REMEDY: Final = "give texts, numbers, booleans, None, lists and mappings of these"


def tree_of(value: object, file: str) -> tuple[Node, list[Problem]]:
    """Return ``value`` as a tree without lines, and what in it no manifest can hold."""
    builder = _Builder(file)
    return builder.build(value, ()), builder.problems


class _Builder:
    """Walks one object; owns the list of its problems."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self._where = Location(file=file, line=NO_LINE)
        self._left = MOST_VALUES

    def build(self, value: object, path: Path) -> Node:
        """One value as a node; null for what is refused."""
        self._left -= 1
        if len(path) > DEEPEST or self._left < 0:
            if self._left >= 0 or not self.problems:
                self._refuse(path[:3], f"too large, or nested more than {DEEPEST} deep")
            self._left = 0
            return _node(None)
        if isinstance(value, (dict, Mapping)):  # an abstract class is dear to ask
            return self._mapping(value, path)
        if isinstance(value, (list, tuple)):
            return self._list(value, path)
        return self._scalar(value, path)

    def _mapping(self, value: Mapping[object, object], path: Path) -> Node:
        fields: dict[str, Entry] = {}
        for key, each in value.items():
            if isinstance(key, str) and _clean(key):
                name = str(key)
                fields[name] = Entry(self.build(each, (*path, name)), NO_LINE, 0)
            else:
                self._refuse(path, f"the key {quote(repr(key))} is no text")
        return _node(fields)

    def _list(self, value: Sequence[object], path: Path) -> Node:
        return _node([self.build(each, (*path, index)) for index, each in enumerate(value)])

    def _scalar(self, value: object, path: Path) -> Node:
        if isinstance(value, (str, IPv4Address, IPv4Network)):
            if not _clean(str(value)):
                self._refuse(path, "a NUL or half a character")
            return _node(str(value))
        if isinstance(value, int) and abs(value) < _LARGEST_INT:
            return _node(value if isinstance(value, bool) else int(value))
        if not isinstance(value, float) and value is not None:
            self._refuse(path, f"{quote(type(value).__name__)} cannot stand in a manifest")
            return _node(None)
        return _node(value)

    def _refuse(self, path: Path, message: str) -> None:
        self.problems.append(Problem(self._where, dotted(path), message, _REMEDY))


def _node(value: Value) -> Node:
    text = str(value) if isinstance(value, (int, float)) else ""
    return Node(value, NO_LINE, 0, text)


def _clean(text: str) -> bool:
    """Whether a text has neither NUL nor half a character: no program and no file takes them."""
    return text.isprintable() or not any(
        char == "\0" or "\ud800" <= char <= "\udfff" for char in text
    )
