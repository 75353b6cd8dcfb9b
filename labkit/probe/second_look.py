"""Attempts without an answer that say nothing of the rules, made again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from typing import Final

from labkit.dataplane.base import Silent
from labkit.probe.attempt import Attempt
from labkit.probe.engine import ANSWER_TIMEOUT_S, Engine
from labkit.probe.flow import Answer, Outcome

LOOKS: Final = 5
"""So often is an attempt made again at most; then it counts."""

Confused = Callable[[Sequence[Silent]], frozenset[Silent]]
"""Of attempts without an answer, those that the data plane's kernel took for others."""


class SecondLook:
    """An engine that makes attempts again which the kernel itself confused with others.

    It is the kernel that must say so, not the time-out: one that the rules cause stays.
    """

    def __init__(self, engine: Engine, confused: Confused) -> None:
        self._engine = engine
        self._confused = confused

    async def probe(
        self, attempts: Sequence[Attempt], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> list[Answer]:
        """Make attempts, and return what each saw, in their order."""
        answers = await self._engine.probe(attempts, timeout_s=timeout_s)
        for _ in range(LOOKS):
            again = self._void(attempts, answers)
            if not again:
                break
            asked = [attempts[place] for place in again]
            better = await self._engine.probe(asked, timeout_s=timeout_s)
            for place, answer in zip(again, better, strict=True):
                answers[place] = answer
        return answers

    def _void(self, attempts: Sequence[Attempt], answers: Sequence[Answer]) -> list[int]:
        """Places of the answers that do not count."""
        silent = {
            place: Silent(attempt.protocol, answer.source_port, attempt.address, attempt.port)
            for place, (attempt, answer) in enumerate(zip(attempts, answers, strict=True))
            if answer.outcome is Outcome.TIMED_OUT
        }
        doubtful = [silent[place] for place in _exceptions(attempts, silent)]
        found = self._confused(doubtful) if doubtful else frozenset()
        return [place for place, attempt in silent.items() if attempt in found]


def _exceptions(attempts: Sequence[Attempt], silent: Container[int]) -> Iterator[int]:
    """Places of silent attempts whose likes were not all silent.

    Where none of several was answered, it is the rules: the kernel confuses one in thousands, and
    to read its tables takes long.
    """
    likes: defaultdict[Attempt, list[int]] = defaultdict(list)
    for place, attempt in enumerate(attempts):
        likes[attempt].append(place)
    for places in likes.values():
        if len(places) == 1 or any(place not in silent for place in places):
            yield from (place for place in places if place in silent)
