from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.manifest.kinds import Expect, Target
from labkit.probe.flow import Observation, Outcome
from labkit.probe.verdict import Context, Reply, Sender, differences, judge
from labkit.probe.words import expectation_words, target_words, words_by_address
from tests.unit.report.examples import (
    NODE_PORT,
    failing,
    located,
    masqueraded,
    passing,
    result,
    seen,
    timeout,
)

POD = Sender(address=IPv4Address("10.244.1.2"), names=("web-1",))
NODE2 = Sender(address=IPv4Address("192.168.0.2"), names=("node2",))
STRANGER = Reply(senders=(POD,), source_sent_rst=True)


def by(*names: str, each: int = 10) -> Observation:
    return seen(NODE_PORT, {Outcome.CONNECTED: each * len(names)}, dict.fromkeys(names, each))


def statuses(**counts: int) -> Observation:
    found = {int(status.removeprefix("http")): count for status, count in counts.items()}
    return replace(seen(), http_statuses=found)


@pytest.mark.parametrize(
    ("expect", "observation"),
    [
        (Expect(), timeout()),
        (Expect(outcome="timeout"), timeout()),
        (Expect(outcome="mixed"), seen(outcomes={Outcome.CONNECTED: 1, Outcome.RESET: 1})),
        (Expect(backends=["web-2", "web-1"]), by("web-1", "web-2")),
        (Expect(backends=[]), timeout()),
        (Expect(client_source="node2"), masqueraded()),
        (Expect(client_source=["preserved", "node2"]), masqueraded()),
        (Expect(client_source="192.168.0.2"), masqueraded()),
        (Expect(same_backend=True), by("web-1")),
        (Expect(same_backend=False), by("web-1", "web-2")),
        (Expect(balance="uniform"), by("web-1", "web-2", each=20)),
        (Expect(http_status=503), statuses(http503=20)),
    ],
)
def test_what_is_as_expected_has_no_differences(expect: Expect, observation: Observation) -> None:
    assert differences(expect, observation) == ()


@pytest.mark.parametrize(
    ("expect", "observation", "sentence"),
    [
        pytest.param(
            Expect(outcome="refused"),
            timeout(),
            "expected refused, got timeout in 20 of 20 attempts",
            id="DROP is not REJECT",
        ),
        pytest.param(
            Expect(outcome="connected"),
            seen(outcomes={Outcome.CONNECTED: 15, Outcome.TIMED_OUT: 5}),
            "expected connected, got connected in 15 and timeout in 5 of 20 attempts",
            id="some are lost",
        ),
        pytest.param(
            Expect(outcome="mixed"),
            timeout(),
            "expected outcomes that differ, got timeout in 20 of 20 attempts",
            id="all are lost",
        ),
        pytest.param(
            Expect(backends=["web-1", "web-2", "web-3"]),
            by("web-1", "web-2"),
            "expected backends web-1, web-2, web-3; web-3 did not answer in 20 attempts",
            id="one pod is missing",
        ),
        pytest.param(
            Expect(backends=["web-1"]),
            by("web-1", "web-2"),
            "expected backends web-1; web-2 answered too",
            id="one pod too many",
        ),
        pytest.param(
            Expect(backends=[]), by("web-1"), "expected no backend; web-1 answered", id="nobody"
        ),
        pytest.param(
            Expect(backends=["web-1"]),
            seen(),
            "expected backends web-1; none said who it is in 20 attempts",
            id="a program that does not say who it is",
        ),
        pytest.param(
            Expect(client_source="preserved"),
            masqueraded(),
            "expected source preserved, the pod saw 192.168.0.2 (node2)",
            id="masqueraded",
        ),
        pytest.param(
            Expect(client_source=["node1", "node3"]),
            masqueraded(),
            "expected source node1 or node3, the pod saw 192.168.0.2 (node2)",
            id="by another node",
        ),
        pytest.param(
            Expect(client_source="preserved"),
            seen(sources={"203.0.113.7": 20}, words=["203.0.113.7"], backends={"web-1": 20}),
            "expected source preserved, the pod saw 203.0.113.7",
            id="by a stranger",
        ),
        pytest.param(
            Expect(client_source="preserved"),
            seen(),
            "expected source preserved, no pod told which source it saw",
            id="nothing was seen",
        ),
        pytest.param(
            Expect(same_backend=True),
            by("web-1", "web-2"),
            "expected one pod to answer every attempt, got web-1 10, web-2 10",
            id="no affinity",
        ),
        pytest.param(
            Expect(same_backend=False),
            by("web-1"),
            "expected several pods to answer, got web-1 10",
            id="affinity",
        ),
        pytest.param(
            Expect(same_backend=True),
            seen(),
            "expected to learn which pod answers, none said who it is",
            id="affinity to nobody",
        ),
        pytest.param(
            Expect(balance="uniform"),
            by("web-1", each=300),
            "expected equal shares of several pods, got web-1 300",
            id="one pod gets all",
        ),
        pytest.param(
            Expect(balance="uniform"),
            by("web-1", "web-2"),
            "equal shares of 2 pods cannot be told by 20 answers; set attempts to 40 or more",
            id="too few attempts",
        ),
        pytest.param(
            Expect(http_status=200),
            statuses(http200=15, http503=5),
            "expected HTTP status 200, got 200 in 15 and 503 in 5 of 20 attempts",
            id="HTTP status",
        ),
        pytest.param(
            Expect(http_status=200),
            timeout(),
            "expected HTTP status 200, got no HTTP answer",
            id="no HTTP",
        ),
    ],
)
def test_a_difference_is_one_sentence(
    expect: Expect, observation: Observation, sentence: str
) -> None:
    assert differences(expect, observation) == (sentence,)


def test_unequal_shares_come_with_the_test_and_its_false_alarms() -> None:
    shares = seen(outcomes={Outcome.CONNECTED: 90}, backends={"web-1": 80, "web-2": 10})

    (sentence,) = differences(Expect(balance="uniform"), shares)

    # Twice (80-45)²/45 is 54.4.
    assert sentence.startswith(
        "expected equal shares, got web-1 80, web-2 10: chi-squared 54.4, 1 degree of freedom"
    )
    assert sentence.endswith("(false alarms: at most 1e-06)")


def test_a_pod_that_got_nothing_counts_for_the_balance() -> None:
    expect = Expect(backends=["web-1", "web-2", "web-3"], balance="uniform")

    found = differences(expect, by("web-1", "web-2", each=60))

    assert [sentence.split(",")[0] for sentence in found] == [
        "expected backends web-1",
        "expected equal shares",
    ]
    assert "web-3 0" in found[1]


def test_what_follows_from_the_outcome_is_not_repeated() -> None:
    expect = Expect(outcome="connected", backends=["web-1"], client_source="node2")

    assert differences(expect, timeout()) == (
        "expected connected, got timeout in 20 of 20 attempts",
    )


@pytest.mark.parametrize(
    ("expect", "reply", "found"),
    [
        (Expect(reply_from="web-1", source_answers="RST"), STRANGER, ()),
        (Expect(reply_from="10.244.1.2"), STRANGER, ()),
        (
            Expect(reply_from="node2"),
            STRANGER,
            ("expected a reply from node2, a SYN-ACK came from 10.244.1.2 (web-1)",),
        ),
        (
            Expect(reply_from="web-1"),
            Reply(senders=(POD, NODE2)),
            ("expected a reply from web-1, a SYN-ACK came from 192.168.0.2 (node2)",),
        ),
        (
            Expect(reply_from="web-1"),
            Reply(),
            ("expected a reply from web-1, no SYN-ACK reached the source",),
        ),
        (
            Expect(source_answers="RST"),
            Reply(senders=(POD,)),
            ("expected the source to answer the reply with RST, it did not",),
        ),
        (
            Expect(reply_from="web-1", source_answers="RST"),
            None,
            (
                "expected a reply from web-1, nothing was captured",
                "expected the source to answer the reply with RST, nothing was captured",
            ),
        ),
    ],
)
def test_the_reply_on_the_wire(expect: Expect, reply: Reply | None, found: tuple[str, ...]) -> None:
    assert differences(expect, timeout(), Context(reply=reply)) == found


def test_sources_that_an_observation_cannot_name_are_named_by_the_context() -> None:
    addresses = {"10.244.1.1": 5, "10.244.1.2": 5, "192.168.0.1": 10}
    observation = seen(sources=addresses, words=["node1", "preserved"], backends={"web-1": 20})
    words = {
        IPv4Address("10.244.1.1"): "node1",
        IPv4Address("10.244.1.2"): "preserved",
        IPv4Address("192.168.0.1"): "node1",
    }

    both = differences(Expect(client_source=["preserved", "node1"]), observation)
    one = differences(Expect(client_source="preserved"), observation, Context(words=words))

    assert both == ()
    assert one == (
        "expected source preserved, the pod saw 10.244.1.1 (node1) and 192.168.0.1 (node1)",
    )


@pytest.mark.parametrize(
    ("addresses", "words", "known", "found"),
    [
        (["a", "b"], ["node1"], {}, {"a": "node1", "b": "node1"}),
        (["a", "b"], ["node1", "preserved"], {"a": "node1"}, {"a": "node1", "b": "preserved"}),
        (["a", "b", "c"], ["node1", "preserved"], {"a": "node1"}, {"a": "node1"}),
        (["a", "b"], ["a", "node1"], {}, {"a": "a", "b": "node1"}),
        (["a", "b"], ["node1", "node2"], {"a": "node3"}, {}),
    ],
)
def test_an_address_gets_a_word_only_if_there_is_no_doubt(
    addresses: list[str], words: list[str], known: dict[str, str], found: dict[str, str]
) -> None:
    assert words_by_address(addresses, words, known) == found


def test_of_several_sources_each_has_its_differences() -> None:
    check = located("both", Expect(outcome="connected"), source=["client", "node1"])
    refused = seen(replace(NODE_PORT, source="node1"), {Outcome.REFUSED: 20})

    found = judge(check, [masqueraded(), refused])

    assert found.sources == ("client", "node1")
    assert not found.passed
    assert found.differences == (
        "from node1: expected connected, got refused in 20 of 20 attempts",
    )


def test_a_check_that_probed_nothing_has_not_passed() -> None:
    assert not judge(located("nothing", Expect()), []).passed


def test_a_scenario_passes_if_it_ran_and_every_check_passed() -> None:
    assert result(passing()).passed
    assert not result(passing(), failing()).passed
    assert not result(error="no such bridge").passed


@pytest.mark.parametrize(
    ("to", "protocol", "words"),
    [
        (Target(node="node2", port=30080), "TCP", "node2:30080"),
        (Target(service="dns", port="dns"), "UDP", "dns:dns/UDP"),
        (Target(service="web", via="ExternalIP"), "TCP", "web via ExternalIP"),
        (Target(address="203.0.113.5", port=80), "TCP", "203.0.113.5:80"),
    ],
)
def test_a_target_in_words(to: Target, protocol: str, words: str) -> None:
    assert target_words(to, protocol) == words


def test_an_expectation_in_words() -> None:
    everything = Expect(
        outcome="connected",
        backends=["web-1", "web-2"],
        client_source=["preserved", "node1"],
        same_backend=True,
        balance="uniform",
        reply_from="web-1",
        source_answers="RST",
        http_status=200,
    )

    assert expectation_words(everything) == (
        "connected, by web-1 and web-2, source preserved or node1, always the same pod, "
        "equal shares, reply from web-1, source answers RST, HTTP 200"
    )
    assert expectation_words(Expect()) == "nothing in particular"
