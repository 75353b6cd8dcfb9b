"""Fields of Kubernetes' kinds that do not exist: they would be ignored, and mean nothing.

`kubectl apply` refuses them (KEP-2885, field validation Strict). Below a field that labkit does not
read (a probe, a volume) nothing is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from msgspec import Struct, inspect

from labkit.manifest.kinds.unread import KUBERNETES_VERSION, unread_fields
from labkit.manifest.problems import Finding, Path, nearest
from labkit.manifest.tree import Node

_MESSAGE: Final = f"Kubernetes {KUBERNETES_VERSION} has no such field"


def misspelt_fields(kind: type[Struct], node: Node, path: Path = ()) -> Iterator[Finding]:
    """Yield a finding for each field that this kind of Kubernetes, or a part of it, has not."""
    value = node.value
    if not isinstance(value, dict):
        return
    known = _known(kind)
    for name, entry in value.items():
        if name not in known:
            yield Finding((*path, name), _MESSAGE, nearest(name, known), at_key=True)
        elif (part := known[name]) is not None:
            yield from _in_each(part, entry.node, (*path, name))


def _in_each(part: type[Struct], node: Node, path: Path) -> Iterator[Finding]:
    """Look at a part, or at each part of a list."""
    if not isinstance(node.value, list):
        yield from misspelt_fields(part, node, path)
        return
    for index, item in enumerate(node.value):
        yield from misspelt_fields(part, item, (*path, index))


@cache  # type: ignore[misc]  # functools' stub says Any
def _known(kind: type[Struct]) -> dict[str, type[Struct] | None]:
    """Every field, and what each, or each item of it, is made of; None for values."""
    found = inspect.type_info(kind)
    fields = found.fields if isinstance(found, inspect.StructType) else ()
    parts = {field.encode_name: _struct(field.type) for field in fields}
    unread: dict[str, type[Struct] | None] = dict.fromkeys(unread_fields(kind), None)
    return {**parts, **unread}


def _struct(kind: inspect.Type) -> type[Struct] | None:
    if isinstance(kind, inspect.StructType):
        return kind.cls
    if isinstance(kind, inspect.ListType):
        return _struct(kind.item_type)
    if isinstance(kind, inspect.UnionType):
        return next((part for each in kind.types if (part := _struct(each))), None)
    return None
