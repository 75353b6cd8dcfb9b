"""What a probe saw, for tests to compare: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from labkit.probe.flow import Flow, Observation, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a probe saw: the flow table's row in Python's types."""

    flow: Flow
    outcome: Outcome
    attempts: int
    outcomes: Mapping[Outcome, int]
    backends: Mapping[str, int]
    """Attempts answered, by pod."""
    sources_seen: Mapping[IPv4Address, int]
    """Attempts, by the client address that the pod saw."""
    client_sources: frozenset[str]
    """The same in words: ``preserved``, a node's name, or the address."""


def seen_in(observation: Observation) -> Seen:
    """Return what an observation says."""
    return Seen(
        flow=observation.flow,
        outcome=observation.outcome,
        attempts=observation.attempts,
        outcomes=observation.outcomes,
        backends=dict(observation.backends),
        sources_seen=dict(observation.sources_seen),
        client_sources=frozenset(observation.client_sources),
    )
