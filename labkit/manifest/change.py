"""A scenario with objects more or less, at the cost of these objects and not of all.

What a change can make wrong is looked at: the new objects, and of the others those that ask for
one that changed. If all of that is right, the scenario is; if anything is not, or cannot be told
without the other objects, everything is validated, and that is what tells the problems.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from labkit.manifest import kinds
from labkit.manifest.assemble import assemble, located_checks
from labkit.manifest.conflicts import claims_of
from labkit.manifest.difference import without
from labkit.manifest.dumps import without_doubles
from labkit.manifest.fit import values
from labkit.manifest.key import Key
from labkit.manifest.known import Known, is_owned, known_after, known_of
from labkit.manifest.loaded import Identity, Loaded
from labkit.manifest.objects import Objects
from labkit.manifest.scope import shapes
from labkit.manifest.validate import findings_of
from labkit.manifest.validate_slice import is_managed

T = TypeVar("T")

_HOSTS: Final = ("Lab", "Node")
"""Kinds that every other object can depend on."""


def with_found(scenario: kinds.Scenario, found: Objects) -> kinds.Scenario:
    """Return ``scenario`` with what was read; an object that exists already is replaced.

    Raises:
        ManifestError: it would be wrong; carries every problem.
    """
    there = known_of(scenario).by_identity
    names = {each.identity for each in found.loaded}
    return changed(scenario, [there[name] for name in names if name in there], found)


def changed(scenario: kinds.Scenario, gone: Sequence[Loaded], found: Objects) -> kinds.Scenario:
    """Return ``scenario`` without the objects ``gone``, and with those found.

    Raises:
        ManifestError: it would be wrong; carries every problem.
    """
    ignored = (*scenario.ignored, *(f"{count} {kind}" for kind, count in found.ignored.items()))
    known, new = known_of(scenario), found.loaded
    objects = [*without(scenario.objects, gone), *new]
    if not found.problems and _apart(known, gone, new):
        later = known_after(known, gone, new, tuple(objects))
        if not any(True for _ in _wrong(later, gone, new)):
            return _with(scenario, later, gone, new, ignored)
    return assemble(
        objects,
        path=scenario.path,
        description=scenario.description,
        ignored=ignored,
        problems=found.problems,
        base=scenario,
    )


def _apart(known: Known, gone: Sequence[Loaded], new: Sequence[Loaded]) -> bool:
    """Whether all that these objects can do to others is looked at by `_wrong`."""
    if any(each.kind in _HOSTS for each in (*gone, *new)) or not _readable(new):
        return False
    if not known.dumped:
        # Which objects count is asked of all of them, see `labkit.manifest.dumps`.
        if any(each.dumped or is_owned(each) or _is_managed(each) for each in new):
            return False
        if known.owned and any(isinstance(each.value, kinds.Workload) for each in new):
            return False
    sifted = without_doubles(new)
    return sifted.kept == list(new) and not sifted.problems and not sifted.missing


def _readable(new: Sequence[Loaded]) -> bool:
    """Whether each object could be decoded, and each is there once."""
    names = {each.identity for each in new}
    return len(names) == len(new) and all(each.value is not None for each in new)


def _is_managed(loaded: Loaded) -> bool:
    return isinstance(loaded.value, kinds.EndpointSlice) and is_managed(loaded.value)


def _wrong(later: Known, gone: Iterable[Loaded], new: Sequence[Loaded]) -> Iterator[object]:
    """What is wrong with new objects, or with others because of them or of those that are gone."""
    for loaded in new:
        yield from findings_of(loaded, later.scope)
        yield from (claim for claim in claims_of(loaded, later.scope) if later.claims[claim] > 1)
    for loaded in _concerned(later, (*gone, *new)):
        yield from findings_of(loaded, later.scope)


def _concerned(later: Known, changes: Iterable[Loaded]) -> Iterable[Loaded]:
    """Services that ask for the name of a port of a pod that changed; slices of Services."""
    found: dict[Identity, Loaded] = {}
    for loaded in changes:
        services: set[Key] = set()
        for pod in shapes(loaded).values():
            for label in pod.labels.items() if pod else ():
                services.update(later.by_named_port.under((loaded.key.namespace, *label)))
        found |= {("Service", key): later.by_identity["Service", key] for key in services}
        if isinstance(loaded.value, kinds.Service):
            slices = [("EndpointSlice", key) for key in later.by_service.under(loaded.key)]
            found |= {each: later.by_identity[each] for each in slices}
    return found.values()


def _with(
    scenario: kinds.Scenario,
    later: Known,
    gone: Sequence[Loaded],
    new: Sequence[Loaded],
    ignored: tuple[str, ...],
) -> kinds.Scenario:
    """The changed scenario; what holds no changed object is the same tuple as before."""
    lost = {id(each.value) for each in gone}
    checks = tuple(each for each in scenario.checks if id(each.check) not in lost)
    return replace(
        scenario,
        checks=(*checks, *located_checks(new)),
        pods=_updated(scenario.pods, kinds.Pod, gone, new),
        workloads=_updated(scenario.workloads, kinds.Workload, gone, new),
        services=_updated(scenario.services, kinds.Service, gone, new),
        endpoint_slices=_updated(scenario.endpoint_slices, kinds.EndpointSlice, gone, new),
        ignored=ignored,
        objects=later.objects,
        known=later,
    )


def _updated(
    before: tuple[T, ...], kind: type[T], gone: Sequence[Loaded], new: Sequence[Loaded]
) -> tuple[T, ...]:
    lost, found = values(gone, kind), values(new, kind)
    return (*without(before, lost), *found) if lost or found else before
