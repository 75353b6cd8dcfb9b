"""Observes flows: as many attempts as it takes, all flows at once, and what they saw together."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Service
from labkit.cluster.object_names import ObjectName
from labkit.kernel.netns import Namespace
from labkit.probe.attempt import Attempt
from labkit.probe.engine import ANSWER_TIMEOUT_S, Engine
from labkit.probe.flow import Answer, Flow, Observation, Outcome, Via
from labkit.probe.words import source_words

ATTEMPTS: Final = 20
"""Attempts of a flow to begin with."""
MISSED_BY_LUCK: Final = 1e-9
"""Chance that some endpoint that takes its share is not seen by as many attempts as are made."""


@dataclass(slots=True)
class Tally:
    """What the attempts of one flow have seen so far."""

    attempt: Attempt
    could_answer: int
    sticky: bool = False
    """Whether session affinity keeps the source on the endpoint of its first attempt."""
    done: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    backends: Counter[str] = field(default_factory=Counter)
    sources: Counter[IPv4Address] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    strangers: int = 0
    """Answers that did not say whose they are."""

    def add(self, answer: Answer) -> None:
        self.done += 1
        self.outcomes[answer.outcome] += 1
        if answer.pod is not None:
            self.backends[answer.pod] += 1
        elif answer.outcome is Outcome.CONNECTED:
            self.strangers += 1
        if answer.source_seen is not None:
            self.sources[answer.source_seen] += 1
        if answer.http_status is not None:
            self.statuses[answer.http_status] += 1

    def next_attempts(self, wanted: int | None) -> int:
        """How many attempts to make next; 0 when there are enough.

        Under session affinity the first attempt goes alone: two at the same moment would both find
        no record of their source, and be sent to two endpoints.
        """
        goal = ATTEMPTS if wanted is None else wanted
        if self.sticky and not self.done:
            return 1
        if self.done < goal:
            return goal - self.done
        return self._missing() if wanted is None else 0

    def _missing(self) -> int:
        """None once every endpoint was seen, or luck is no excuse."""
        if not self.backends or self.strangers or len(self.backends) >= self.could_answer:
            return 0
        # Doubling ends early when the last endpoint turns up.
        return min(attempts_to_see_all(self.could_answer) - self.done, self.done)


async def observe(
    engine: Engine,
    cluster: Cluster,
    namespaces: Callable[[str], Namespace],
    flows: Sequence[Flow],
    *,
    attempts: int | None,
    rng: random.Random,
) -> list[Observation]:
    """Return what was seen of each flow, in the order of ``flows``.

    Args:
        engine: makes the attempts.
        cluster: the lab.
        namespaces: gives a host's namespace by its name.
        flows: what to ask.
        attempts: how many for each flow, exactly; None for at least `ATTEMPTS`, and then for as
            many as it takes to know that an endpoint that was not seen does not answer.
        rng: shuffles the attempts. A data plane that goes round robin would otherwise meet the
            same sources in turn, and each would always get the same endpoint.
    """
    tallies = [tally_of(cluster, namespaces, flow) for flow in flows]
    while queue := [tally for tally in tallies for _ in range(tally.next_attempts(attempts))]:
        rng.shuffle(queue)
        answers = await engine.probe([tally.attempt for tally in queue], timeout_s=ANSWER_TIMEOUT_S)
        for tally, answer in zip(queue, answers, strict=True):
            tally.add(answer)
    return [observation(cluster, flow, tally) for flow, tally in zip(flows, tallies, strict=True)]


def tally_of(cluster: Cluster, namespaces: Callable[[str], Namespace], flow: Flow) -> Tally:
    """Return an empty tally of a flow."""
    return Tally(
        attempt=Attempt(
            namespace=namespaces(flow.source),
            address=flow.address,
            port=flow.dport,
            protocol=flow.protocol,
            request_bytes=flow.request_bytes,
        ),
        could_answer=could_answer(cluster, flow),
        sticky=is_sticky(cluster, flow),
    )


def attempts_to_see_all(endpoints: int) -> int:
    """Return how many random attempts see every one of so many endpoints, but for bad luck.

    The chance to miss one of k after N attempts is at most k(1-1/k)^N; it is `MISSED_BY_LUCK` or
    less for the number returned.
    """
    if endpoints < 2:  # noqa: PLR2004 - one endpoint is seen by one attempt
        return 1
    return math.ceil(math.log(MISSED_BY_LUCK / endpoints) / math.log(1 - 1 / endpoints))


def could_answer(cluster: Cluster, flow: Flow) -> int:
    """Return how many pods could answer a flow at most; 1 where more attempts would tell nothing.

    That is so for one pod's own address and for session affinity, which keeps a source on its pod.
    Otherwise ready endpoints count, or terminating ones that still serve if none is ready.
    """
    service = _service(cluster, flow)
    if service is None or flow.via in {None, Via.POD_IP} or is_sticky(cluster, flow):
        return 1
    known = [
        endpoint
        for port in service.ports
        if port.name == flow.port
        for endpoint in cluster.endpoints.get(service.port_name(port), ())
    ]
    ready = {endpoint.pod for endpoint in known if endpoint.ready}
    serving = {endpoint.pod for endpoint in known if endpoint.serving and endpoint.terminating}
    return max(1, len((ready or serving) - {None}))


def is_sticky(cluster: Cluster, flow: Flow) -> bool:
    """Return whether session affinity keeps the flow's source on one endpoint."""
    service = _service(cluster, flow)
    return service is not None and service.affinity_timeout_s is not None


def _service(cluster: Cluster, flow: Flow) -> Service | None:
    namespace, _slash, name = flow.service.partition("/")
    return cluster.service_by_key.get(ObjectName(namespace, name))


def observation(cluster: Cluster, flow: Flow, tally: Tally) -> Observation:
    """Return what a tally counted."""
    words = {source_words(cluster, flow.source, seen) for seen in tally.sources}
    return Observation(
        flow=flow,
        attempts=tally.done,
        outcomes={
            outcome: tally.outcomes[outcome] for outcome in Outcome if tally.outcomes[outcome]
        },
        backends=_sorted(tally.backends),
        sources_seen=dict(sorted(tally.sources.items())),
        client_sources=tuple(sorted(words)),
        http_statuses=dict(sorted(tally.statuses.items())),
    )


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))
