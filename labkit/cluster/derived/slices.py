"""Hand-written EndpointSlices on the way from one cluster to the next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from labkit.cluster.mapped import of_one_family
from labkit.cluster.object_names import ObjectName
from labkit.manifest import kinds
from labkit.manifest.difference import Difference
from labkit.manifest.index import Index

SERVICE_LABEL: Final = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The EndpointSlices of a cluster by Service, and by the addresses that they name."""

    given: dict[ObjectName, Sequence[kinds.EndpointSlice]] = field(default_factory=dict)
    """In their order."""
    counting: dict[ObjectName, Sequence[kinds.EndpointSlice]] = field(default_factory=dict)
    """Those of one family, with the addresses of the lab."""
    naming: Index[str, ObjectName] = field(default_factory=Index)


def next_slices(
    before: Slices, step: Difference[kinds.EndpointSlice], known: Mapping[str, str]
) -> tuple[Slices, Set[ObjectName]]:
    """The EndpointSlices after a step, and the Services that have others now.

    Args:
        before: what was known.
        step: what came and went.
        known: addresses in the lab by those that the real cluster has.
    """
    new, gone = _by_service(step.new), _by_service(step.gone)
    changed = new.keys() | gone.keys()
    if not changed:
        return before, changed
    after = Slices(
        given=before.given.copy(), counting=before.counting.copy(), naming=before.naming.copy()
    )
    for key in changed:
        after.naming.remove(_named(before.counting.get(key, ())), key)
        lost = set(map(id, gone.get(key, ())))
        stayed = [each for each in before.given.get(key, ()) if id(each) not in lost]
        after.given[key] = (*stayed, *new.get(key, ()))
        after.counting[key] = of_one_family(after.given[key], known)
        after.naming.add(_named(after.counting[key]), key)
        if not after.given[key]:
            del after.given[key], after.counting[key]
    return after, changed


def _by_service(
    pieces: Iterable[kinds.EndpointSlice],
) -> dict[ObjectName, list[kinds.EndpointSlice]]:
    found: dict[ObjectName, list[kinds.EndpointSlice]] = {}
    for piece in pieces:
        if name := piece.metadata.labels.get(SERVICE_LABEL):
            found.setdefault(ObjectName(piece.metadata.namespace, name), []).append(piece)
    return found


def _named(pieces: Iterable[kinds.EndpointSlice]) -> set[str]:
    return {entry.addresses[0] for piece in pieces for entry in piece.endpoints}
