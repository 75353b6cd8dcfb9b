"""Observes flows whose end was foreseen: as few attempts as it takes to see it, or otherwise.

Where `observe` asks openly, and so makes many attempts and waits long for each, this asks a closed
question: does that happen, all of it, and nothing else?
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.cluster.model import Cluster
from labkit.kernel.netns import Namespace
from labkit.probe.engine import ANSWER_TIMEOUT_S, Engine
from labkit.probe.flow import Flow, Observation
from labkit.probe.observe import Tally, attempts_to_see_all, observation, tally_of
from labkit.semantics.flows import TIMED_OUT, Prediction, Seen, fits, may_be_part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for an answer, in seconds."""

    foreseen_s: float = 0.1
    """Silence that was foreseen is believed after so long: hundreds of times what an answer takes.
    """
    unforeseen_s: float = ANSWER_TIMEOUT_S
    """Silence that was not: it outlasts a lost SYN."""


PATIENT: Final = Patience()


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A flow and what must become of it."""

    flow: Flow
    prediction: Prediction


async def observe_foreseen(
    engine: Engine,
    cluster: Cluster,
    namespaces: Callable[[str], Namespace],
    asked: Sequence[Foreseen],
    *,
    rng: random.Random,
    patience: Patience = PATIENT,
) -> list[Observation]:
    """Return what was seen of each flow, in the order of ``asked``.

    It is all that was foreseen; or something else; or so little of it after so many attempts that
    luck is no excuse.

    Args:
        engine: makes the attempts.
        cluster: the lab.
        namespaces: gives a host's namespace by its name.
        asked: what to ask.
        rng: shuffles the attempts, as in `observe`.
        patience: how long to wait for answers.
    """
    tallies = [tally_of(cluster, namespaces, each.flow) for each in asked]
    pairs = list(zip(asked, tallies, strict=True))
    while queue := [
        (each, tally) for each, tally in pairs for _ in range(_next(each.prediction, tally))
    ]:
        rng.shuffle(queue)
        loud = [tally for each, tally in queue if not _is_silent(each)]
        silent = [tally for each, tally in queue if _is_silent(each)]
        await asyncio.gather(
            _probe(engine, loud, patience.unforeseen_s), _probe(engine, silent, patience.foreseen_s)
        )
    return [observation(cluster, each.flow, tally) for each, tally in pairs]


async def _probe(engine: Engine, tallies: Sequence[Tally], timeout_s: float) -> None:
    answers = await engine.probe([tally.attempt for tally in tallies], timeout_s=timeout_s)
    for tally, answer in zip(tallies, answers, strict=True):
        tally.add(answer)


def _is_silent(each: Foreseen) -> bool:
    """Whether silence is among what was foreseen."""
    return any(delivery.outcome == TIMED_OUT for delivery in each.prediction.deliveries)


def _next(prediction: Prediction, tally: Tally) -> int:
    """How many attempts to make next; 0 once what was foreseen is seen, or can no longer be.

    Under session affinity the first attempt goes alone, as in `observe`.
    """
    several = len(prediction.deliveries)
    more = 1 if tally.could_answer > several else 0
    if not tally.done:
        return 1 if prediction.held else several + more
    if prediction.held:
        return max(0, several + 2 - tally.done)
    seen = seen_of_tally(tally)
    if fits(prediction, seen) or not may_be_part_of(prediction, seen):
        return 0
    most = attempts_to_see_all(max(several, tally.could_answer))
    return min(most - tally.done, tally.done)


def seen_of_tally(tally: Tally) -> Seen:
    """What was seen so far, without counts."""
    return Seen(
        outcomes=frozenset(str(outcome) for outcome in tally.outcomes),
        backends=frozenset(tally.backends),
        sources=frozenset(tally.sources),
    )
