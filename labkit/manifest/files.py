"""Files read into objects, and which of them are parts of one scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import PurePath
from typing import Final

from labkit.manifest.location import Location
from labkit.manifest.objects import OWN, Objects, Source, read_objects
from labkit.manifest.problems import Problem
from labkit.manifest.source import documents, head_comment

NO_FILE: Final = "<memory>"
ALIKE: Final = 0.8
"""Likeness from which another file is taken for the one that was meant."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What one file holds; what is wrong with it is among the objects' problems."""

    file: str
    objects: Objects
    description: str = ""
    """The comment at its head."""

    @property
    def of_cluster(self) -> bool:
        """Whether it is of a dump: some object is a cluster's, and no Lab is there."""
        kinds = {each.kind for each in self.objects.loaded}
        return "Lab" not in kinds and any(each.dumped for each in self.objects.loaded)

    @property
    def beside_a_dump(self) -> bool:
        """Whether it says nothing but Labs and Checks, or only what labkit leaves out."""
        return all(each.kind in OWN for each in self.objects.loaded)


def read_text(file: str, text: bytes | str) -> ReadFile:
    """Read the text of a file."""
    trees, faults = documents(text, file)
    found = read_objects(Source(tree, file) for tree in trees)
    found.problems[:0] = faults
    if not trees and not faults:
        where = Location(file=file, line=1)
        remedy = "write a Lab, Kubernetes manifests or Checks"
        found.problems.append(Problem(where, "", "there is nothing in this file", remedy))
    return ReadFile(file, found, head_comment(text))


def unreadable(file: str, reason: str, *, others: Sequence[str] = ()) -> ReadFile:
    """A file of which nothing is known but why.

    Args:
        file: its path.
        reason: what the system says.
        others: files that could be meant.
    """
    close = get_close_matches(file, others, n=1, cutoff=ALIKE)
    remedy = f"did you mean {close[0]}?" if close else "give a scenario file that can be read"
    problem = Problem(Location(file=file, line=1), "", f"cannot be read: {reason}", remedy)
    return ReadFile(file, Objects(problems=[problem]))


def scenarios_of(files: Sequence[ReadFile]) -> list[list[ReadFile]]:
    """Files by scenario: each its own, but those that a cluster was dumped into are one.

    To these belong the files that hold nothing but a Lab or Checks. A file that has a Lab and
    more is a scenario of its own.
    """
    if not any(each.of_cluster for each in files):
        return [[each] for each in files]
    dump: list[ReadFile] = []
    scenarios: list[list[ReadFile]] = []
    for each in files:
        if not (each.of_cluster or each.beside_a_dump):
            scenarios.append([each])
            continue
        if not dump:
            scenarios.append(dump)
        dump.append(each)
    return scenarios


def merged(files: Iterable[ReadFile]) -> Objects:
    """The objects of several files."""
    whole = Objects()
    for each in files:
        whole.loaded.extend(each.objects.loaded)
        whole.ignored.update(each.objects.ignored)
        whole.problems.extend(each.objects.problems)
    return whole


def name_of(files: Sequence[ReadFile]) -> str:
    """What a scenario is known by: its file; of a dump in several, the folder that they are in."""
    if not files:
        return NO_FILE
    first = files[0].file
    folder = PurePath(first).parent
    together = len(files) > 1 and all(PurePath(each.file).parent == folder for each in files)
    dump = together and any(each.of_cluster for each in files)
    return str(folder) if dump and folder.name else first
