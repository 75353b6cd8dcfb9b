"""One object of a scenario with the tree that it was read from."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from labkit.manifest.location import Location
from labkit.manifest.problems import Finding, Path, Problem, dotted
from labkit.manifest.tree import Node, find, position


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """A decoded object, its kind, and where each of its fields stands."""

    kind: str
    value: Struct | None
    """None if it could not be decoded; the scenario is then refused."""
    root: Node
    file: str

    def has(self, *path: str | int) -> bool:
        """Whether the file says something at ``path``; null says nothing."""
        node = find(self.root, path)
        return node is not None and node.value is not None

    @property
    def dumped(self) -> bool:
        """Whether it is from a cluster: an API server gave it a uid or a time of creation."""
        return self.has("metadata", "uid") or self.has("metadata", "creationTimestamp")

    def locate(self, path: Path = (), *, at_key: bool = False) -> Location:
        """The place of a field, or of the nearest thing around it."""
        line, column = position(self.root, path, at_key=at_key)
        return Location(file=self.file, line=line, column=column)

    def problem(self, finding: Finding) -> Problem:
        """A finding with its place."""
        location = self.locate(finding.path, at_key=finding.at_key)
        return Problem(location, dotted(finding.path), finding.message, finding.remedy)
