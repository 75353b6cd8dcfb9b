"""What is known of a scenario's objects, so that a change need not look at all of them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from labkit.manifest import kinds
from labkit.manifest.conflicts import Claimed, claims_of, hosts_of
from labkit.manifest.index import Index
from labkit.manifest.key import Key
from labkit.manifest.loaded import Identity, Loaded
from labkit.manifest.scope import Scope, build_scope, changed_scope
from labkit.manifest.selection import Label, place_of
from labkit.manifest.validate_slice import service_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Objects by what other objects ask of them. Nothing of it changes once a scenario has it."""

    objects: tuple[Loaded, ...]
    """Those that it is about."""
    scope: Scope
    by_identity: dict[Identity, Loaded] = field(default_factory=dict)
    claims: dict[Claimed, int] = field(default_factory=dict)
    """How many objects have what one alone can have."""
    by_named_port: Index[Label, Key] = field(default_factory=Index)
    """Services with a name for a targetPort, under one label of their selector."""
    by_service: Index[Key, Key] = field(default_factory=Index)
    """EndpointSlices by the Service that they belong to."""
    dumped: int = 0
    """How many are from a cluster."""
    owned: int = 0
    """How many say that another owns them."""


def known_of(scenario: kinds.Scenario) -> Known:
    """What is known of a scenario; found out if it was made or changed in another way."""
    known = scenario.known
    if (
        isinstance(known, Known)
        and known.objects is scenario.objects
        and known.scope.lab is scenario.lab
    ):
        return known
    return look_at(scenario.objects, build_scope(scenario.lab, scenario.objects))


def look_at(objects: tuple[Loaded, ...], scope: Scope) -> Known:
    """Find out what is to be known of valid objects."""
    known = Known(objects=objects, scope=scope)
    for claimed in hosts_of(scope):
        known.claims[claimed] = 1
    return _with(known, objects)


def known_after(
    known: Known, gone: Sequence[Loaded], new: Sequence[Loaded], objects: tuple[Loaded, ...]
) -> Known:
    """What is known once some objects have gone and others have come; ``objects`` are all then."""
    changed = replace(
        known,
        objects=objects,
        scope=changed_scope(known.scope, gone, new),
        by_identity=known.by_identity.copy(),
        claims=known.claims.copy(),
        by_named_port=known.by_named_port.copy(),
        by_service=known.by_service.copy(),
    )
    return _with(_without(changed, gone), new)


def _with(known: Known, new: Sequence[Loaded]) -> Known:
    for loaded in new:
        known.by_identity[loaded.identity] = loaded
        for claimed in claims_of(loaded, known.scope):
            known.claims[claimed] = known.claims.get(claimed, 0) + 1
        known.by_named_port.add(_named_port(loaded), loaded.key)
        known.by_service.add(_owner(loaded), loaded.key)
    dumped, owned = _counts(new)
    return replace(known, dumped=known.dumped + dumped, owned=known.owned + owned)


def _without(known: Known, gone: Sequence[Loaded]) -> Known:
    for loaded in gone:
        del known.by_identity[loaded.identity]
        for claimed in claims_of(loaded, known.scope):
            known.claims[claimed] -= 1
            if not known.claims[claimed]:
                del known.claims[claimed]
        known.by_named_port.remove(_named_port(loaded), loaded.key)
        known.by_service.remove(_owner(loaded), loaded.key)
    dumped, owned = _counts(gone)
    return replace(known, dumped=known.dumped - dumped, owned=known.owned - owned)


def _counts(objects: Sequence[Loaded]) -> tuple[int, int]:
    return sum(each.dumped for each in objects), sum(map(is_owned, objects))


def _named_port(loaded: Loaded) -> list[Label]:
    value = loaded.value
    if not isinstance(value, kinds.Service):
        return []
    if not any(isinstance(port.target_port, str) for port in value.spec.ports):
        return []
    return place_of(loaded.key.namespace, value.spec.selector)


def _owner(loaded: Loaded) -> list[Key]:
    owner = service_of(loaded.value) if isinstance(loaded.value, kinds.EndpointSlice) else None
    return [owner] if owner else []


def is_owned(loaded: Loaded) -> bool:
    """Whether an object says that another owns it."""
    value = loaded.value
    return isinstance(value, kinds.Pod | kinds.Workload) and bool(value.metadata.owner_references)
