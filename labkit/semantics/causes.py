"""Why a flow differs between two data planes: the traits that explain all of it, or none.

A difference has a name only if both data planes did exactly what their traits predict. So a rule
that is missing on one side, or a pod that does not answer, never goes under somebody else's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from labkit.cluster.model import Cluster
from labkit.semantics.deviations import BY_TRAIT, SEEN, Deviation
from labkit.semantics.flows import Flow, Prediction, Seen, fits
from labkit.semantics.predict import predict
from labkit.semantics.traits import Trait

Traits = frozenset[Trait]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What was seen of a flow under a data plane with these traits."""

    traits: Traits
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a flow differs."""

    deviations: tuple[Deviation, ...] = ()
    """Empty if the difference has no name."""
    expected_before: Prediction | None = None
    expected_after: Prediction | None = None
    """What was predicted; None if nothing says."""


def reason(cluster: Cluster, flow: Flow, before: Side, after: Side) -> Reason:
    """Return what explains a difference that was seen."""
    first = predict(cluster, flow, before.traits)
    last = predict(cluster, flow, after.traits)
    as_predicted = (
        first is not None
        and last is not None
        and fits(first, before.seen)
        and fits(last, after.seen)
    )
    named = causes(cluster, flow, before.traits, after.traits) if as_predicted else ()
    return Reason(deviations=named, expected_before=first, expected_after=last)


def causes(cluster: Cluster, flow: Flow, before: Traits, after: Traits) -> tuple[Deviation, ...]:
    """Return the fewest traits that make one data plane do what the other does.

    What explains both ways, how each would come to do what the other does, goes before what
    explains one: traits can mask each other.
    """
    differing = before ^ after
    if Trait.SERVES in differing:
        # Where nothing is served, nothing else can be told apart.
        return (BY_TRAIT[Trait.SERVES],)
    wanted = predict(cluster, flow, before), predict(cluster, flow, after)
    if wanted[0] == wanted[1]:
        return ()
    ordered = [each.trait for each in SEEN if each.trait in differing]
    for count in range(1, len(ordered) + 1):
        either: Traits | None = None
        for chosen in map(frozenset, combinations(ordered, count)):
            as_after = predict(cluster, flow, before ^ chosen) == wanted[1]
            as_before = predict(cluster, flow, after ^ chosen) == wanted[0]
            if as_after and as_before:
                return _named(chosen)
            either = either or (chosen if as_after or as_before else None)
        if either:
            return _named(either)
    return ()


def _named(traits: Traits) -> tuple[Deviation, ...]:
    return tuple(each for each in SEEN if each.trait in traits)
