"""From trees to the typed objects of `labkit.manifest.kinds`: every error, each in its place.

A null counts as absent wherever a field may be left out, as in dumps of a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from typing import Final, TypeAlias

from msgspec import Struct, inspect

from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.tree import Node, Scalar

Decoded: TypeAlias = Scalar | list["Decoded"] | dict[str, "Decoded"] | Struct
Decoder: TypeAlias = Callable[[Node, Path, list[Finding]], Decoded]

_SLOPPY: Final = re.compile(r"\s*\d{1,20}(\.\d{1,20}){3}(/\d{1,20})?\s*\Z", re.ASCII)
_REMEDIES: Final = {
    "port": "give a port between 1 and 65535",
    "containerPort": "give a port between 1 and 65535",
    "containers": "list at least one container",
    "addressType": "give IPv4",
    "name": "give a name",
    "from": "name a client, node or pod",
    "to": "give one of node, service, pod and address, and a port",
    "expect": "give conformant, outcome, backends or clientSource",
}
"""What would be right where a field is missing."""
_HEAD: Final = frozenset({"apiVersion", "kind"})
EXPECT: Final = "Expect"
CONFORMANT: Final = "conformant"
"""One word in the place of a Check's ``expect``."""


class _Bad(Struct, frozen=True):
    """Stands for a value that could not be decoded; its finding is in the list."""


_BAD: Final = _Bad()


def decode(kind: type[Struct], node: Node, findings: list[Finding]) -> Struct | None:
    """Return the object of ``kind`` that ``node`` holds; None if anything in it is wrong.

    Everything that is wrong is added to ``findings``.
    """
    before = len(findings)
    found = _decoder_of(kind)(node, (), findings)
    if len(findings) > before or not isinstance(found, kind):
        return None
    return found


@cache  # type: ignore[misc]  # functools' stub says Any
def _decoder_of(kind: type[Struct]) -> Decoder:
    """The decoder of one kind of object, made once."""
    return _decoder(inspect.type_info(kind))


def _decoder(kind: inspect.Type) -> Decoder:
    if isinstance(kind, inspect.StructType):
        return _struct(kind)
    if isinstance(kind, inspect.ListType):
        return _list(kind)
    if isinstance(kind, inspect.DictType):
        return _mapping(kind)
    if isinstance(kind, inspect.UnionType):
        return _union(kind)
    return _leaf(kind)


def _leaf(kind: inspect.Type) -> Decoder:
    if isinstance(kind, inspect.LiteralType):
        return _words(_values(kind))
    if isinstance(kind, inspect.Metadata):  # type: ignore[misc]
        return _address(_decoder(kind.type))
    return _scalar(kind)


def _values(kind: inspect.LiteralType) -> tuple[str, ...]:
    return tuple(str(value) for value in kind.values)


def _struct(kind: inspect.StructType) -> Decoder:
    cls: type[Struct] = kind.cls
    fields = {field.encode_name: (field, _decoder(field.type)) for field in kind.fields}
    whole = cls.__name__

    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        value = node.value
        if value == CONFORMANT and whole == EXPECT:
            return cls(conformant=True)
        if not isinstance(value, dict):
            findings.append(Finding(path, f"found {_found(node)}", "give a mapping of fields"))
            return _BAD
        if kind.forbid_unknown_fields:
            findings.extend(_unknown_fields(value, fields, path))
        before = len(findings)
        known: dict[str, Decoded] = {}
        for name, (field, decoder) in fields.items():
            entry = value.get(name)
            if entry is not None and entry.node.value is not None:
                known[field.name] = decoder(entry.node, (*path, name), findings)
            elif field.required:
                findings.append(_required(field, (*path, name)))
        return _BAD if len(findings) > before else cls(**known)

    return run


def _unknown_fields(value: Iterable[str], fields: Collection[str], path: Path) -> Iterator[Finding]:
    for name in value:
        if name not in fields and (path or name not in _HEAD):
            remedy = nearest(name, fields)
            yield Finding((*path, name), "there is no such field", remedy, at_key=True)


def _required(field: inspect.Field, path: Path) -> Finding:
    remedy = _REMEDIES.get(field.encode_name) or f"give {_wanted(field.type)}"
    return Finding(path, "required", remedy)


def _list(kind: inspect.ListType) -> Decoder:
    inner = kind.item_type
    decoder = _decoder(inner)

    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        value = node.value
        if not isinstance(value, list):
            remedy = f"give a list: [{_example(inner)}]"
            findings.append(Finding(path, f"found {_found(node)}", remedy))
            return _BAD
        before = len(findings)
        items = [decoder(item, (*path, index), findings) for index, item in enumerate(value)]
        return _BAD if len(findings) > before else items

    return run


def _mapping(kind: inspect.DictType) -> Decoder:
    decoder = _decoder(kind.value_type)

    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        value = node.value
        if not isinstance(value, dict):
            findings.append(Finding(path, f"found {_found(node)}", "give a mapping of names"))
            return _BAD
        before = len(findings)
        # The API server takes null in a map of texts as the empty text.
        fields: dict[str, Decoded] = {
            name: "" if entry.node.value is None else decoder(entry.node, (*path, name), findings)
            for name, entry in value.items()
        }
        return _BAD if len(findings) > before else fields

    return run


def _union(kind: inspect.UnionType) -> Decoder:
    """Of several types the one that the value's shape fits; null is seen to by the struct."""
    types = [each for each in kind.types if not isinstance(each, inspect.NoneType)]  # type: ignore[misc]
    decoders = [(each, _decoder(each)) for each in types]

    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        for each, decoder in decoders:
            if len(types) == 1 or _fits(each, node):
                return decoder(node, path, findings)
        wanted = " or ".join(_wanted(each) for each in types)
        findings.append(Finding(path, f"found {_found(node)}", f"give {wanted}"))
        return _BAD

    return run


def _fits(kind: inspect.Type, node: Node) -> bool:
    if isinstance(kind, inspect.Metadata):  # type: ignore[misc]
        return _fits(kind.type, node)
    if isinstance(kind, inspect.ListType):
        return isinstance(node.value, list)
    if isinstance(kind, inspect.IntType):
        return isinstance(node.value, int) and not isinstance(node.value, bool)
    return isinstance(node.value, str)


def _words(words: tuple[str, ...]) -> Decoder:
    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        if node.value in words:
            return str(node.value)
        text = node.value if isinstance(node.value, str) else node.text
        findings.append(Finding(path, f"found {_found(node)}", nearest(text, words)))
        return _BAD

    return run


def _address(inner: Decoder) -> Decoder:
    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        found = inner(node, path, findings)
        return canonical(found) if isinstance(found, str) else found

    return run


def canonical(text: str) -> str:
    """An IPv4 address or CIDR without leading zeros and blanks; any other text as it is."""
    if not _SLOPPY.match(text):
        return text
    address, slash, prefix = text.strip().partition("/")
    plain = ".".join(str(int(part)) for part in address.split("."))
    return f"{plain}/{int(prefix)}" if slash else plain


def _scalar(kind: inspect.Type) -> Decoder:
    wanted: type[str] | type[int] = str
    if isinstance(kind, inspect.IntType):
        wanted = int
    elif isinstance(kind, inspect.BoolType):  # type: ignore[misc]
        wanted = bool

    def run(node: Node, path: Path, findings: list[Finding]) -> Decoded:
        value = node.value
        if type(value) is wanted and isinstance(value, (str, int)):
            return value
        remedy = f"give {_wanted(kind)}"
        if wanted is str and node.text:
            remedy = f'write it in quotes: "{quote(node.text)}"'
        findings.append(Finding(path, f"found {_found(node)}", remedy))
        return _BAD

    return run


def _found(node: Node) -> str:
    """What stands in the file, in words."""
    value = node.value
    if value is None:
        return "null"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f"the text '{quote(value)}'"
    kind = "the boolean" if isinstance(value, bool) else "the number"
    return f"{kind} {quote(node.text or str(value))}"


def _wanted(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.Metadata):  # type: ignore[misc]
        return _wanted(kind.type)
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(_values(kind))
    return {
        inspect.IntType: "a whole number",
        inspect.BoolType: "true or false",  # type: ignore[misc]
        inspect.ListType: "a list",
        inspect.StructType: "a mapping of fields",
        inspect.DictType: "a mapping of names",
    }.get(type(kind), "text")


def _example(kind: inspect.Type) -> str:
    return "{…}" if isinstance(kind, inspect.StructType) else "…"
