"""How many attempts it takes to see what was foreseen, or something else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from itertools import cycle
from typing import cast

from labkit.kernel.netns import Namespace
from labkit.probe.attempt import Attempt
from labkit.probe.flow import Answer, Flow, Observation, Outcome, Via
from labkit.probe.foreseen import Foreseen, Patience, observe_foreseen
from labkit.probe.observe import attempts_to_see_all
from labkit.semantics.flows import Delivery, Prediction
from tests.unit.probe.clusters import cluster, endpoints, seeded, service

FLOW = Flow(
    source="client",
    address=IPv4Address("172.30.0.10"),
    dport=80,
    service="default/web",
    port="http",
    via=Via.CLUSTER_IP,
)
CLIENT = IPv4Address("203.0.113.2")
PATIENCE = Patience(foreseen_s=0.5, unforeseen_s=2.0)


@dataclass
class Scripted:
    """An engine that gives the next answer of a script, again and again."""

    script: Sequence[Answer]
    waves: list[tuple[int, float]] = field(default_factory=list)
    """How many attempts were made at a time, and how long silence was waited for."""

    def __post_init__(self) -> None:
        self._answers = cycle(self.script)

    async def probe(self, attempts: Sequence[Attempt], *, timeout_s: float = 0.0) -> list[Answer]:
        if attempts:
            self.waves.append((len(attempts), timeout_s))
        return [next(self._answers) for _ in attempts]


def by(pod: str) -> Answer:
    return Answer(outcome=Outcome.CONNECTED, pod=pod, source_seen=CLIENT)


def to(pod: str) -> Delivery:
    return Delivery(outcome="connected", backend=pod, source=CLIENT)


SILENCE = Answer(outcome=Outcome.TIMED_OUT)
DROPPED = Delivery(outcome="timeout")


def seen(engine: Scripted, prediction: Prediction) -> Observation:
    web = cluster([service()], {"web": endpoints("web-1", "web-2")})
    namespaces = cast("Callable[[str], Namespace]", lambda _host: None)
    asked = [Foreseen(flow=FLOW, prediction=prediction)]
    work = observe_foreseen(engine, web, namespaces, asked, rng=seeded(1), patience=PATIENCE)
    (found,) = asyncio.run(work)
    return found


def test_two_endpoints_are_seen_by_two_attempts_if_luck_will_have_it() -> None:
    engine = Scripted([by("web-1"), by("web-2")])

    seen(engine, Prediction(deliveries=frozenset({to("web-1"), to("web-2")})))

    assert engine.waves == [(2, 2.0)]


def test_an_endpoint_that_is_not_seen_is_asked_for_until_luck_is_no_excuse() -> None:
    engine = Scripted([by("web-1")])

    found = seen(engine, Prediction(deliveries=frozenset({to("web-1"), to("web-2")})))

    assert found.attempts == attempts_to_see_all(2)
    assert found.backends == {"web-1": found.attempts}


def test_what_is_excluded_ends_the_question_at_once() -> None:
    engine = Scripted([by("web-1"), by("other-1")])

    found = seen(engine, Prediction(deliveries=frozenset({to("web-1"), to("web-2")})))

    assert found.attempts == 2
    assert set(found.backends) == {"web-1", "other-1"}


def test_one_endpoint_of_several_is_asked_once_more_to_see_another_one() -> None:
    engine = Scripted([by("web-1")])

    found = seen(engine, Prediction(deliveries=frozenset({to("web-1")})))

    assert found.attempts == 2


def test_silence_that_is_foreseen_is_believed_soon() -> None:
    engine = Scripted([SILENCE])

    seen(engine, Prediction(deliveries=frozenset({DROPPED})))

    assert {timeout_s for _, timeout_s in engine.waves} == {0.5}


def test_under_session_affinity_the_first_attempt_goes_alone() -> None:
    engine = Scripted([by("web-1")])

    seen(engine, Prediction(deliveries=frozenset({to("web-1"), to("web-2")}), held=True))

    assert [count for count, _ in engine.waves] == [1, 3]
