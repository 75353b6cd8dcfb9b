"""From parser events to trees: anchors, merge keys, tags, duplicate keys and the bounds."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from labkit.manifest.problems import quote
from labkit.manifest.scalars import plain
from labkit.manifest.tree import Entry, Node, Scalar

MOST_NODES: Final = 4_000_000
"""Values in one file, with aliases written out."""
DEEPEST: Final = 100
"""Lists and mappings inside one another."""
_MERGE: Final = "<<"
_TAG: Final = "tag:yaml.org,2002:"


class Refused(Exception):  # noqa: N818 - never leaves this package
    """The text cannot be read any further."""

    def __init__(self, line: int, column: int, message: str, remedy: str) -> None:
        super().__init__(message)
        self.line, self.column, self.message, self.remedy = line, column, message, remedy


class _Open(Struct):
    """A list or mapping that is being read."""

    node: Node
    items: list[Node]
    fields: dict[str, Entry]
    is_mapping: bool
    anchor: str | None
    key: Node | None = None
    merges: list[Node] = []


class Composer:
    """Builds one tree a document; owns the trees, the open nodes and the document's anchors."""

    def __init__(self) -> None:
        self.documents: list[Node] = []
        self.faults: list[Refused] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node | None] = {}
        self._nodes = 0

    def start_document(self) -> None:
        """A document begins; anchors of the last one are gone."""
        self._anchors = {}

    def scalar(
        self, text: str, tag: str | None, anchor: str | None, *, quoted: bool, at: tuple[int, int]
    ) -> None:
        """A scalar, quoted or plain."""
        line, column = at
        value: Scalar = text
        if tag is not None and tag != "!":
            value = self._tagged(text, tag, line, column)
        elif not quoted and tag is None:
            value = plain(text)
        node = Node(value, line, column, "" if value is text else text)
        if not text.isprintable() and ("\0" in text or _has_surrogate(text)):
            self._fault(node, "a NUL or half a character is written here", "remove the escape")
        if anchor:
            self._anchors[anchor] = node
        self._add(node)

    def start(
        self, tag: str | None, anchor: str | None, *, is_mapping: bool, at: tuple[int, int]
    ) -> None:
        """A list or a mapping begins."""
        line, column = at
        node = Node(None, line, column)
        if len(self._open) >= DEEPEST:
            raise Refused(
                line, column, f"nested more than {DEEPEST} deep", "make the structure flatter"
            )
        if tag not in (None, "!", f"{_TAG}map" if is_mapping else f"{_TAG}seq"):
            self._fault(node, f"tag {quote(str(tag))} is not supported", "leave the tag out")
        if anchor:
            self._anchors[anchor] = None
        self._open.append(_Open(node, [], {}, is_mapping, anchor, None, []))

    def end(self) -> None:
        """The innermost list or mapping ends."""
        done = self._open.pop()
        node = done.node
        if done.is_mapping:
            self._merge(done)
            node.value = done.fields
            node.size = 1 + sum(entry.node.size + 1 for entry in done.fields.values())
        else:
            node.value = done.items
            node.size = 1 + sum(item.size for item in done.items)
        if done.anchor:
            self._anchors[done.anchor] = node
        self._add(node)

    def alias(self, anchor: str, line: int, column: int) -> None:
        """A reference to something before it."""
        name = quote(anchor)
        if anchor not in self._anchors:
            raise Refused(line, column, f"alias *{name} has no anchor", f"write &{name} before it")
        target = self._anchors[anchor]
        if target is None:
            raise Refused(line, column, f"alias *{name} stands inside itself", "write it out")
        self._add(target)

    def _add(self, node: Node) -> None:
        self._count(node, 1)
        if not self._open:
            # What aliases stand for is walked later: each document's whole size counts.
            self._count(node, node.size)
            self.documents.append(node)
            return
        parent = self._open[-1]
        if not parent.is_mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = node
        else:
            key, parent.key = parent.key, None
            self._field(parent, key, node)

    def _count(self, node: Node, more: int) -> None:
        self._nodes += more
        if max(node.size, self._nodes) > MOST_NODES:
            raise Refused(
                node.line,
                node.column,
                f"more than {MOST_NODES:,} values, aliases written out",
                "use fewer aliases or smaller files",
            )

    def _field(self, parent: _Open, key: Node, node: Node) -> None:
        if isinstance(key.value, list | dict) or key.value is None:
            what = "null" if key.value is None else "a list or mapping"
            self._fault(key, f"{what} as a key", "give a name as the key")
            return
        name = key.text or str(key.value)
        if name == _MERGE and key.value == _MERGE:
            parent.merges.append(node)
            return
        if name in parent.fields:
            first = parent.fields[name]
            self._fault(
                key,
                f"key {quote(name)} is given twice, first in line {first.line}",
                "remove one of them",
            )
            return
        parent.fields[name] = Entry(node, key.line, key.column)

    def _merge(self, done: _Open) -> None:
        """Take in what merge keys point to; keys of the mapping itself win."""
        for source in done.merges:
            given = source.value if isinstance(source.value, list) else [source]
            for each in given:
                if not isinstance(each.value, dict):
                    self._fault(each, "<< wants a mapping", "give an alias of a mapping")
                    continue
                self._count(done.node, len(each.value))
                for name, entry in each.value.items():
                    done.fields.setdefault(name, entry)

    def _tagged(self, text: str, tag: str, line: int, column: int) -> Scalar:
        kind = tag.removeprefix(_TAG)
        if kind == "str":
            return text
        value = plain(text)
        fits = {
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, float | int) and not isinstance(value, bool),
            "bool": isinstance(value, bool),
            "null": value is None,
        }.get(kind)
        if not fits:
            node = Node(text, line, column)
            what = "is not supported" if fits is None else f"does not fit {quote(text)}"
            self._fault(node, f"tag {quote(tag)} {what}", "leave the tag out")
        return value

    def _fault(self, node: Node, message: str, remedy: str) -> None:
        self.faults.append(Refused(node.line, node.column, message, remedy))


def _has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)
