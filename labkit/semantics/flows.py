"""A flow and what becomes of it, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final, Literal

from labkit.cluster.model import Node, Protocol, Service, ServicePort
from labkit.semantics.because import Because, of_pods

Outcome = Literal["connected", "refused", "timeout", "unreachable"]
"""The flow table's words for what rules can make of an attempt."""
Via = Literal["ClusterIP", "NodePort", "ExternalIP", "LoadBalancer", "PodIP"]

CONNECTED: Final = "connected"
REFUSED: Final = "refused"
TIMED_OUT: Final = "timeout"
UNREACHABLE: Final = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Who asks for what: a source and one of the addresses of a Service."""

    source: str
    """A client's, node's or pod's name."""
    service: Service
    port: ServicePort | None
    """None for a port that the Service does not have."""
    via: Via
    node: Node | None
    """The node whose address this is, for NodePorts."""
    address: IPv4Address
    protocol: Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What one attempt can come to."""

    outcome: Outcome
    backend: str | None = None
    """The pod that answers; None if nobody does."""
    source: IPv4Address | None = None
    """The client address that the pod sees; None if nobody does or nothing says which it is."""
    anonymous: bool = False
    """Whether a program of the user's own answers, which need not say who it is."""
    because: tuple[Because, ...] = field(default=(), compare=False)
    """Why it comes to this, once the endpoint is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a data plane makes of a flow: everything that its attempts can come to."""

    deliveries: frozenset[Delivery]
    held: bool = False
    """Whether session affinity holds the source to one of them, which one is left to chance."""
    moves: bool = False
    """Whether calls to another address of the Service can move the source to another one."""
    because: tuple[Because, ...] = field(default=(), compare=False)
    """Why these endpoints, or none."""

    @property
    def reasons(self) -> tuple[Because, ...]:
        """Every reason, each once: why these endpoints, then what comes of each."""
        pods: dict[Because, list[str]] = {}
        for each in sorted(self.deliveries, key=_order):
            for reason in each.because:
                pods.setdefault(reason, []).extend([each.backend] if each.backend else [])
        several = len(pods) > 1
        ends = (of_pods(why, names) if several else why for why, names in pods.items())
        found = (*self.because, *ends)
        return tuple(each for at, each in enumerate(found) if each not in found[:at])


def _order(delivery: Delivery) -> tuple[str, str]:
    return delivery.outcome, delivery.backend or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What all attempts of a flow came to."""

    outcomes: frozenset[str]
    backends: frozenset[str] = frozenset()
    sources: frozenset[IPv4Address] = frozenset()


def fits(prediction: Prediction, seen: Seen) -> bool:
    """Whether what was seen is what was predicted: no less and no more."""
    if prediction.moves:
        used = (each for each in prediction.deliveries if _was_used(each, seen))
        return _fits(frozenset(used), seen)
    if prediction.held:
        return any(_fits(frozenset({each}), seen) for each in prediction.deliveries)
    return _fits(prediction.deliveries, seen)


def may_be_part_of(prediction: Prediction, seen: Seen) -> bool:
    """Whether nothing was seen that the prediction excludes, if not everything need be seen."""
    used = frozenset(each for each in prediction.deliveries if _was_used(each, seen))
    outcomes = {each.outcome for each in prediction.deliveries}
    return bool(used) and seen.outcomes <= outcomes and _excludes_none(used, seen)


def _excludes_none(used: frozenset[Delivery], seen: Seen) -> bool:
    if any(each.anonymous for each in used):
        return True
    told = {each.source for each in used}
    return seen.backends <= {each.backend for each in used} and (
        None in told or seen.sources <= told
    )


def _was_used(delivery: Delivery, seen: Seen) -> bool:
    if delivery.backend is None:
        return delivery.outcome in seen.outcomes
    return delivery.backend in seen.backends


def _fits(deliveries: frozenset[Delivery], seen: Seen) -> bool:
    if seen.outcomes != {each.outcome for each in deliveries}:
        return False
    if any(each.anonymous for each in deliveries):
        return True
    answering = [each for each in deliveries if each.outcome == CONNECTED]
    if seen.backends != {each.backend for each in answering}:
        return False
    told = {each.source for each in answering if each.source is not None}
    untold = any(each.source is None for each in answering)
    return seen.sources >= told if untold else seen.sources == told
