"""A plain tree of values in which every node knows its place: what YAML text and dicts become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct


class Entry(Struct, gc=False):
    """One key of a mapping: where the key stands, and its value."""

    node: Node
    line: int
    column: int


class Node(Struct, gc=False):
    """A scalar, a list or a mapping, and where it starts; line and column count from 1."""

    value: Value
    line: int
    column: int
    text: str = ""
    """A scalar as written, where YAML made something else than text of it: ``yes``, ``1.10``."""
    size: int = 1
    """Nodes in it, itself included; an alias counts as much as what it stands for."""


Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = Scalar | list[Node] | dict[str, Entry]


def child(node: Node, part: str | int) -> Node | None:
    """The value of one field or one item, or None."""
    value = node.value
    if isinstance(value, dict):
        entry = value.get(str(part))
        return entry.node if entry else None
    if isinstance(value, list) and isinstance(part, int) and 0 <= part < len(value):
        return value[part]
    return None


def plain(node: Node) -> object:
    """The value of a node as Python objects, without places."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(entry.node) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def find(node: Node, path: Sequence[str | int]) -> Node | None:
    """The node at ``path``, or None."""
    for part in path:
        found = child(node, part)
        if found is None:
            return None
        node = found
    return node


def position(node: Node, path: Sequence[str | int], *, at_key: bool = False) -> tuple[int, int]:
    """Line and column of what stands at ``path``, or of the nearest thing around it."""
    for depth, part in enumerate(path, start=1):
        if at_key and depth == len(path) and isinstance(node.value, dict):
            entry = node.value.get(str(part))
            return (entry.line, entry.column) if entry else (node.line, node.column)
        found = child(node, part)
        if found is None:
            break
        node = found
    return node.line, node.column
