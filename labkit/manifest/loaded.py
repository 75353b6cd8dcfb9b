"""One object of a scenario with the tree that it was read from."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from labkit.manifest.key import CLUSTER_WIDE, DEFAULT_NAMESPACE, Key
from labkit.manifest.location import Location
from labkit.manifest.problems import Finding, Path, Problem, dotted
from labkit.manifest.tree import Node, find, position

Identity = tuple[str, Key]
"""What no two objects of a scenario share: the kind and the name."""


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A decoded object, its kind, and where each of its fields stands."""

    kind: str
    value: Struct | None
    """None if it could not be decoded; the scenario is then refused."""
    root: Node
    file: str
    key: Key = field(init=False)
    """Namespace and name, decoded or not; Nodes and the like have no Namespace."""
    dumped: bool = field(init=False)
    """Whether it is from a cluster: an API server gave it a uid or a time of creation."""

    def __post_init__(self) -> None:
        # Every rule asks for these two, many times over.
        object.__setattr__(self, "key", self._key())
        dumped = self.has("metadata", "uid") or self.has("metadata", "creationTimestamp")
        object.__setattr__(self, "dumped", dumped)

    @property
    def identity(self) -> Identity:
        """The kind and the name."""
        return self.kind, self.key

    def has(self, *path: str | int) -> bool:
        """Whether the file says something at ``path``; null says nothing."""
        node = find(self.root, path)
        return node is not None and node.value is not None

    def locate(self, path: Path = (), *, at_key: bool = False) -> Location:
        """The place of a field, or of the nearest thing around it."""
        line, column = position(self.root, path, at_key=at_key)
        return Location(file=self.file, line=line, column=column)

    def problem(self, finding: Finding) -> Problem:
        """A finding with its place."""
        location = self.locate(finding.path, at_key=finding.at_key)
        return Problem(location, dotted(finding.path), finding.message, finding.remedy)

    def _key(self) -> Key:
        name = self._text("name")
        if self.kind in CLUSTER_WIDE:
            return Key("", name)
        return Key(self._text("namespace") or DEFAULT_NAMESPACE, name)

    def _text(self, field: str) -> str:
        node = find(self.root, ("metadata", field))
        return node.value if node and isinstance(node.value, str) else ""
