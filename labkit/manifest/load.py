"""Scenarios from files, text and Python objects; and scenarios with objects added or taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from labkit.errors import ManifestError, UsageError
from labkit.manifest.assemble import assemble
from labkit.manifest.change import changed, with_found
from labkit.manifest.files import (
    NO_FILE,
    ReadFile,
    merged,
    name_of,
    read_text,
    scenarios_of,
    unreadable,
)
from labkit.manifest.key import CLUSTER_WIDE, DEFAULT_NAMESPACE, Key
from labkit.manifest.kinds import Scenario
from labkit.manifest.known import known_of
from labkit.manifest.objects import KINDS, Objects, Source, read_objects
from labkit.manifest.plain_objects import tree_of
from labkit.manifest.problems import Problem, nearest, raise_if_any
from labkit.manifest.source import MOST_BYTES

Read: TypeAlias = Callable[[Path], bytes]
"""Returns the content of a file; OSError if it cannot."""
IN_CODE = "<objects>"


def read_file(path: Path) -> bytes:
    """The content of a file, no more of it than one byte above what is allowed."""
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def content_of(path: Path, *, read: Read = read_file) -> bytes:
    """The content of a file, for `with_text` elsewhere.

    Raises:
        ManifestError: it cannot be read.
    """
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise ManifestError(_unreadable(path, error).objects.problems) from error


def load(path: str | Path) -> Scenario:
    """Read and validate one scenario file.

    Raises:
        ManifestError: the file cannot be read or is wrong; carries every problem.
        UsageError: this is no path.
    """
    try:
        return load_files([Path(path)])
    except TypeError:
        raise UsageError(f"{path!r} is no path; give the path of a scenario file") from None


def load_files(paths: Sequence[str | Path], *, read: Read = read_file) -> Scenario:
    """Read several files as one scenario.

    Raises:
        ManifestError: a file cannot be read or something in it is wrong; carries every problem.
    """
    return _assembled([_read(Path(path), read) for path in paths])


def load_each(paths: Sequence[str | Path], *, read: Read = read_file) -> list[Scenario]:
    """Read several files, each a scenario of its own, in their order.

    Files that a cluster was dumped into (`kubectl get nodes -o yaml`, then pods, then Services)
    are one scenario, with what files of Labs and Checks alone say.

    Raises:
        ManifestError: at least one file is wrong; carries every problem of all of them.
    """
    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for files in scenarios_of([_read(Path(path), read) for path in paths]):
        try:
            scenarios.append(_assembled(files))
        except ManifestError as error:
            problems.extend(error.problems)
    raise_if_any(problems)
    return scenarios


def load_text(text: str | bytes, *, file: str = NO_FILE) -> Scenario:
    """Read a scenario from text; ``file`` is what problems call it.

    Raises:
        ManifestError: something in it is wrong; carries every problem.
    """
    return _assembled([read_text(file, text)])


def load_objects(objects: Iterable[Mapping[str, object]]) -> Scenario:
    """Make a scenario of manifests given as Python objects, placed ``<objects>[0]`` and so on.

    Raises:
        ManifestError: something in them is wrong; carries every problem.
    """
    found = _read_in_code(objects)
    return assemble(found.loaded, path=IN_CODE, ignored=_ignored(found), problems=found.problems)


def with_objects(scenario: Scenario, objects: Iterable[Mapping[str, object]]) -> Scenario:
    """Return ``scenario`` with objects added; one that exists already is replaced.

    The result is validated whole, but for the Checks that ``scenario`` has: what they name may
    have gone since, and then they fail when they are run.

    Raises:
        ManifestError: the scenario would be wrong; carries every problem.
    """
    return with_found(scenario, _read_in_code(objects))


def with_text(scenario: Scenario, text: str | bytes, *, file: str = NO_FILE) -> Scenario:
    """Return ``scenario`` with the objects of a file's text added, as by `with_objects`.

    Raises:
        ManifestError: the scenario would be wrong; carries every problem, with its place in
            ``file``.
    """
    return with_found(scenario, read_text(file, text).objects)


def without_object(
    scenario: Scenario, kind: str, name: str, namespace: str = DEFAULT_NAMESPACE
) -> Scenario:
    """Return ``scenario`` without one object, validated as by `with_objects`.

    Raises:
        UsageError: there is no such object.
        ManifestError: the scenario would be wrong without it; carries every problem.
    """
    key = Key("" if kind in CLUSTER_WIDE else namespace, name)
    loaded = known_of(scenario).by_identity.get((kind, key))
    if loaded is None:
        known = [each.key.shown for each in scenario.objects if each.kind == kind]
        remedy = nearest(name, known) if kind in KINDS else nearest(kind, KINDS)
        raise UsageError(f"there is no {kind} {key.shown} in this scenario; {remedy}")
    return changed(scenario, [loaded], Objects())


def _read(path: Path, read: Read) -> ReadFile:
    try:
        return read_text(str(path), read(path))
    except (OSError, ValueError) as error:
        return _unreadable(path, error)


def _unreadable(path: Path, error: OSError | ValueError) -> ReadFile:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    missing = isinstance(error, FileNotFoundError)
    return unreadable(str(path), reason, others=_beside(path) if missing else ())


def _beside(path: Path) -> Sequence[str]:
    """The YAML files of the folder that a file is missing in."""
    with suppress(OSError, ValueError):
        return sorted(str(each) for each in path.parent.glob("*.y*ml"))
    return ()


def _assembled(files: Sequence[ReadFile]) -> Scenario:
    found = merged(files)
    return assemble(
        found.loaded,
        path=name_of(files),
        description=next((each.description for each in files if each.description), ""),
        ignored=_ignored(found),
        problems=found.problems,
    )


def _read_in_code(objects: Iterable[Mapping[str, object]]) -> Objects:
    sources: list[Source] = []
    problems: list[Problem] = []
    for index, each in enumerate(objects):
        file = f"{IN_CODE}[{index}]"
        tree, faults = tree_of(each, file)
        problems.extend(faults)
        if not faults:
            sources.append(Source(tree, file))
    found = read_objects(sources)
    found.problems.extend(problems)
    return found


def _ignored(found: Objects) -> list[str]:
    return [f"{count} {kind}" for kind, count in found.ignored.items()]
