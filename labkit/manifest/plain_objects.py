"""Python objects to trees: what YAML could have said, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.manifest.location import Location
from labkit.manifest.problems import Path, Problem, dotted, quote
from labkit.manifest.tree import Entry, Node

DEEPEST: Final = 100
_LARGEST_INT: Final = 1 << 63
NO_LINE: Final = 0


def tree_of(value: object, file: str) -> tuple[Node, list[Problem]]:
    """Return ``value`` as a tree without lines, and what in it no manifest can hold."""
    problems: list[Problem] = []

    def refuse(path: Path, message: str) -> Node:
        where = Location(file=file, line=NO_LINE)
        remedy = "give texts, numbers, booleans, None, lists and mappings of these"
        problems.append(Problem(where, dotted(path), message, remedy))
        return _node(None)

    def build(found: object, path: Path) -> Node:
        if len(path) > DEEPEST:
            return refuse(path[:3], f"nested more than {DEEPEST} deep, or inside itself")
        if isinstance(found, Mapping):
            fields: dict[str, Entry] = {}
            for key, each in found.items():
                if isinstance(key, str) and _clean(key):
                    fields[str(key)] = Entry(build(each, (*path, str(key))), NO_LINE, 0)
                else:
                    refuse(path, f"the key {quote(repr(key))} is no text")
            return _node(fields)
        if isinstance(found, list | tuple):
            return _node([build(each, (*path, index)) for index, each in enumerate(found)])
        if isinstance(found, str | IPv4Address | IPv4Network) and _clean(str(found)):
            return _node(str(found))
        if found is None or isinstance(found, bool | float):
            return _node(found)
        if isinstance(found, int) and abs(found) < _LARGEST_INT:
            return _node(int(found))
        return refuse(path, f"{quote(type(found).__name__)} cannot stand in a manifest")

    return build(value, ()), problems


def _node(value: str | float | bool | list[Node] | dict[str, Entry] | None) -> Node:
    text = str(value) if isinstance(value, int | float) else ""
    return Node(value, NO_LINE, 0, text)


def _clean(text: str) -> bool:
    """Whether a text has neither NUL nor half a character: no program and no file takes them."""
    return text.isprintable() or not any(
        char == "\0" or "\ud800" <= char <= "\udfff" for char in text
    )
