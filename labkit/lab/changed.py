"""A scenario with an object more or less, as a caller names it: pure."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.errors import UsageError
from labkit.lab import arguments
from labkit.manifest.key import DEFAULT_NAMESPACE
from labkit.manifest.kinds import Scenario
from labkit.manifest.known import known_of
from labkit.manifest.load import with_objects, without_object


def with_new(scenario: Scenario, manifest: Mapping[str, object]) -> Scenario:
    """Return ``scenario`` with an object that it does not have: one replaced by mistake is lost.

    Raises:
        ManifestError: the scenario would be wrong; carries every problem.
        UsageError: it has such an object.
    """
    changed = with_objects(scenario, [manifest])
    new = changed.objects[-1]
    if new.identity in known_of(scenario).by_identity:
        raise UsageError(
            f"{new.kind} {new.key.shown} exists already; "
            "remove it first, or replace it with add([…])"
        )
    return changed


def without(scenario: Scenario, kind: str, name: str) -> Scenario:
    """Return ``scenario`` without an object; ``namespace/name`` outside ``default``.

    Raises:
        UsageError: there is no such object.
        ManifestError: the scenario would be wrong without it; carries every problem.
    """
    namespace, slash, short = arguments.text("name", name).rpartition("/")
    kind = arguments.text("kind", kind)
    return without_object(scenario, kind, short, namespace if slash else DEFAULT_NAMESPACE)
