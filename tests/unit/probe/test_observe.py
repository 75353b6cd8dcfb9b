from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Cluster, Endpoint, PodNetwork
from labkit.kernel.netns import Namespace
from labkit.probe.attempt import Attempt
from labkit.probe.flow import Answer, Flow, Observation, Outcome, Via
from labkit.probe.observe import attempts_to_see_all, could_answer, observe
from labkit.probe.words import source_words
from tests.unit.probe.clusters import cluster, endpoints, seeded, service

CLUSTER_IP = Flow(
    source="client",
    address=IPv4Address("172.30.0.10"),
    dport=80,
    service="default/web",
    port="http",
    via=Via.CLUSTER_IP,
)
POD_IP = replace(CLUSTER_IP, address=IPv4Address("10.244.1.2"), dport=8080, via=Via.POD_IP)


@dataclass
class Host:
    """Stands where a namespace would: nothing is opened in it."""

    name: str


class FakeEngine:
    """Answers each attempt by a function of it, and remembers what it was asked."""

    def __init__(self, answer: Callable[[Attempt], Answer]) -> None:
        self.answer = answer
        self.asked: list[list[Attempt]] = []

    async def probe(
        self,
        attempts: Sequence[Attempt],
        *,
        timeout_s: float = 0.0,  # noqa: ARG002 - the engine's interface
    ) -> list[Answer]:
        self.asked.append(list(attempts))
        return [self.answer(attempt) for attempt in attempts]


def connected(pod: str | None, source: str = "203.0.113.2") -> Answer:
    return Answer(
        outcome=Outcome.CONNECTED,
        pod=pod,
        source_seen=IPv4Address(source) if pod else None,
        http_status=200,
    )


def run(
    engine: FakeEngine,
    *flows: Flow,
    lab: Cluster | None = None,
    attempts: int | None = None,
    seed: int = 1,
) -> list[Observation]:
    def namespace(name: str) -> Namespace:
        return Host(name)  # type: ignore[return-value]

    return asyncio.run(
        observe(
            engine,
            lab or cluster(),
            namespace,
            flows,
            attempts=attempts,
            rng=seeded(seed),
        )
    )


def drawing(*pods: str, seed: int = 7) -> FakeEngine:
    rng = seeded(seed)
    return FakeEngine(lambda _attempt: connected(rng.choice(pods)))


def test_attempts_are_counted_by_outcome_backend_and_source() -> None:
    answers = iter(
        [
            connected("web-2", "192.168.0.2"),
            connected("web-1"),
            Answer(outcome=Outcome.TIMED_OUT),
            connected("web-2", "192.168.0.2"),
        ]
    )
    (seen,) = run(FakeEngine(lambda _attempt: next(answers)), CLUSTER_IP, attempts=4)

    assert seen == Observation(
        flow=CLUSTER_IP,
        attempts=4,
        outcomes={Outcome.CONNECTED: 3, Outcome.TIMED_OUT: 1},
        backends={"web-1": 1, "web-2": 2},
        sources_seen={IPv4Address("192.168.0.2"): 2, IPv4Address("203.0.113.2"): 1},
        client_sources=("node2", "preserved"),
        http_statuses={200: 3},
    )
    assert list(seen.backends) == ["web-1", "web-2"]
    assert seen.outcome is Outcome.MIXED


def test_attempts_that_are_asked_for_are_made_exactly() -> None:
    engine = drawing("web-1")

    (seen,) = run(engine, CLUSTER_IP, attempts=3)

    assert (seen.attempts, len(engine.asked)) == (3, 1)


def test_twenty_attempts_are_enough_once_all_endpoints_were_seen() -> None:
    engine = drawing("web-1", "web-2", "web-3")

    (seen,) = run(engine, CLUSTER_IP)

    assert (seen.attempts, len(seen.backends)) == (20, 3)


def test_a_missing_endpoint_is_looked_for_until_luck_is_no_excuse() -> None:
    (seen,) = run(drawing("web-1", "web-2"), CLUSTER_IP)

    assert seen.attempts == attempts_to_see_all(3)
    assert set(seen.backends) == {"web-1", "web-2"}


@pytest.mark.parametrize("endpoint_count", [2, 3, 10, 100])
def test_so_many_attempts_miss_an_endpoint_once_in_a_billion(endpoint_count: int) -> None:
    def chance(attempts: int) -> float:
        return endpoint_count * float((1 - 1 / endpoint_count) ** attempts)

    enough = attempts_to_see_all(endpoint_count)

    assert chance(enough) <= 1e-9 * (1 + 1e-6)
    assert chance(enough - 1) > 1e-9


@pytest.mark.parametrize(
    "answer",
    [Answer(outcome=Outcome.TIMED_OUT), Answer(outcome=Outcome.REFUSED), connected(None)],
    ids=["timeout", "refused", "a program of the user's own"],
)
def test_no_more_attempts_where_they_would_tell_nothing(answer: Answer) -> None:
    engine = FakeEngine(lambda _attempt: answer)

    (seen,) = run(engine, CLUSTER_IP)

    assert (seen.attempts, seen.backends) == (20, {})


def test_affinity_and_pods_own_addresses_get_no_more_attempts() -> None:
    sticky = cluster([service(affinity_timeout_s=10800)])

    (affinity,) = run(drawing("web-1"), CLUSTER_IP, lab=sticky)
    (own,) = run(drawing("web-1"), POD_IP)

    assert (affinity.attempts, own.attempts) == (20, 20)


def test_attempts_of_all_flows_are_shuffled_together_and_stay_apart() -> None:
    def who(attempt: Attempt) -> Answer:
        return connected("web-1" if attempt.port == 8080 else "web-2")

    engine = FakeEngine(who)
    by_ip, by_pod = run(engine, CLUSTER_IP, POD_IP, attempts=50)
    again = FakeEngine(who)
    run(again, CLUSTER_IP, POD_IP, attempts=50)

    ports = [attempt.port for attempt in engine.asked[0]]
    assert ports != sorted(ports)
    assert ports != sorted(ports, reverse=True)
    assert ports == [attempt.port for attempt in again.asked[0]]
    assert (by_ip.backends, by_pod.backends) == ({"web-2": 50}, {"web-1": 50})


def test_terminating_endpoints_count_only_if_none_is_ready() -> None:
    def draining(name: str) -> Endpoint:
        (endpoint,) = endpoints(name)
        return replace(endpoint, ready=False, terminating=True)

    some = cluster(backends={"web": [*endpoints("web-1"), draining("web-2"), draining("web-3")]})
    none = cluster(backends={"web": [draining("web-2"), draining("web-3")]})

    assert could_answer(some, CLUSTER_IP) == 1
    assert could_answer(none, CLUSTER_IP) == 2
    assert could_answer(cluster(), replace(CLUSTER_IP, service="", via=None)) == 1


@pytest.mark.parametrize(
    ("source", "seen", "word"),
    [
        ("client", "203.0.113.2", "preserved"),
        ("client", "192.168.0.2", "node2"),
        ("client", "10.244.2.1", "node2"),
        ("client", "203.0.113.77", "203.0.113.77"),
        ("client", "10.244.1.2", "10.244.1.2"),
        ("node1", "192.168.0.1", "preserved"),
        ("node1", "10.244.1.1", "preserved"),
        ("node1", "127.0.0.1", "preserved"),
        ("node1", "192.168.0.2", "node2"),
        ("web-1", "10.244.1.2", "preserved"),
        ("web-1", "10.244.1.1", "node1"),
        ("web-1", "192.168.0.1", "node1"),
        ("agent-1", "192.168.0.1", "preserved"),
        ("agent-1", "10.244.1.1", "preserved"),
        ("agent-1", "10.244.2.1", "node2"),
        ("client", "10.244.2.0", "10.244.2.0"),
    ],
)
def test_a_client_address_is_told_in_words(source: str, seen: str, word: str) -> None:
    assert source_words(cluster(), source, IPv4Address(seen)) == word


def test_with_vxlan_a_node_has_the_address_of_its_tunnel_too() -> None:
    vxlan = cluster(pod_network=PodNetwork.VXLAN)

    assert source_words(vxlan, "client", IPv4Address("10.244.2.0")) == "node2"
    assert source_words(vxlan, "node2", IPv4Address("10.244.2.0")) == "preserved"


def test_under_session_affinity_the_first_attempt_goes_alone() -> None:
    held = replace(service(), affinity_timeout_s=600)
    engine = drawing("web-1")

    (seen,) = run(engine, CLUSTER_IP, lab=replace(cluster(), services=(held,)), attempts=5)

    assert [len(wave) for wave in engine.asked] == [1, 4]
    assert seen.attempts == 5
