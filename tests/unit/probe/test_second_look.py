"""Attempts that the kernel confused are made again; those that the rules drop are not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address
from typing import cast

from labkit.dataplane.base import Silent
from labkit.kernel.netns import Namespace
from labkit.probe.attempt import Attempt
from labkit.probe.flow import Answer, Outcome
from labkit.probe.second_look import LOOKS, SecondLook

NAMESPACE = cast("Namespace", None)
ATTEMPTS = [
    Attempt(namespace=NAMESPACE, address=IPv4Address("192.0.2.1"), port=port) for port in (1, 2, 3)
]


class Scripted:
    """Answers from a list of outcomes, and remembers what it was asked."""

    def __init__(self, *waves: Sequence[Outcome]) -> None:
        self.waves = list(waves)
        self.asked: list[list[int]] = []

    async def probe(
        self,
        attempts: Sequence[Attempt],
        *,
        timeout_s: float = 1.0,  # noqa: ARG002 - the interface's
    ) -> list[Answer]:
        self.asked.append([attempt.port for attempt in attempts])
        outcomes = self.waves.pop(0) if len(self.waves) > 1 else self.waves[0]
        return [Answer(outcome=outcome, source_port=40000) for outcome in outcomes]


def probe(engine: Scripted, confused: frozenset[int]) -> list[Outcome]:
    def which(silent: Sequence[Silent]) -> frozenset[Silent]:
        return frozenset(each for each in silent if each.dport in confused)

    answers = asyncio.run(SecondLook(engine, which).probe(ATTEMPTS))
    return [answer.outcome for answer in answers]


OK, LATE = Outcome.CONNECTED, Outcome.TIMED_OUT


def test_what_was_confused_is_asked_again_and_its_answer_takes_the_place() -> None:
    engine = Scripted([OK, LATE, LATE], [OK])

    assert probe(engine, frozenset({2})) == [OK, OK, LATE]
    assert engine.asked == [[1, 2, 3], [2]]


def test_time_outs_that_the_rules_cause_stay() -> None:
    engine = Scripted([LATE, LATE, Outcome.REFUSED])

    assert probe(engine, frozenset()) == [LATE, LATE, Outcome.REFUSED]
    assert engine.asked == [[1, 2, 3]]


def test_where_none_of_several_was_answered_nothing_is_asked() -> None:
    asked: list[Sequence[Silent]] = []

    def which(silent: Sequence[Silent]) -> frozenset[Silent]:
        asked.append(silent)
        return frozenset(silent)

    twice = [ATTEMPTS[0], ATTEMPTS[1]] * 2
    engine = SecondLook(Scripted([LATE, LATE, LATE, OK], [OK]), which)

    answers = asyncio.run(engine.probe(twice))

    assert [answer.outcome for answer in answers] == [LATE, OK, LATE, OK]
    assert [[each.dport for each in silent] for silent in asked] == [[2]]


def test_what_goes_on_being_confused_counts_in_the_end() -> None:
    engine = Scripted([OK, LATE, OK], [LATE])

    assert probe(engine, frozenset({2})) == [OK, LATE, OK]
    assert len(engine.asked) == 1 + LOOKS
