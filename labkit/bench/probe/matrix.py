"""The whole flow table of many Services on two nodes, beside a bare client over the same rules."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from labkit.bench.contest import Case, Contestant, Notebook, Rounds, Tell, Turn, chosen
from labkit.bench.probe.ask import Ask, Client
from labkit.bench.probe.bare_asyncio import BareAsyncio
from labkit.bench.probe.bare_epoll import BareEpoll
from labkit.bench.probe.metrics import LABELS, MEASURE, Metrics
from labkit.bench.results import Metric
from labkit.bench.sync.services import PORT, service_cluster, under, with_responders
from labkit.errors import LabError
from labkit.lab.running import Running
from labkit.probe.flow import Flow, Outcome
from labkit.probe.observe import ATTEMPTS
from labkit.probe.plan import flows
from labkit.report.text import plural

NODES: Final = 2
SECONDS_A_PROBE: Final = 1e-4
TAKES_PART: Final = ("epoll", "labkit", "asyncio")
FLOWS_A_SERVICE: Final = 44
"""Roughly: seven sources, six addresses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """Every flow of so many Services, each with as many attempts as `labkit matrix` begins with."""

    services: int
    only: tuple[str, ...]
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        turns = self.rounds.count + self.rounds.warm_up
        return turns * len(self._names()) * self._weight()

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Build a lab for labkit and one for each bare client, and do all rounds in them."""
        bare = service_cluster(self.services, seed=self.rounds.seed, nodes=NODES, node_ports=True)
        bare = under(bare, "iptables")
        asked = flows(bare, None)
        metrics = Metrics(f"matrix of {plural(self.services, 'Service')}")
        with ExitStack() as stack:
            contestants: list[Contestant] = []
            for name in self._names():
                cluster = with_responders(bare) if name == "labkit" else bare
                running = stack.enter_context(Running(cluster, seed=self.rounds.seed))
                if name == "labkit":
                    turn: Turn = _Observing(running, asked, metrics)
                else:
                    pods = [running.namespace(pod.name) for pod in bare.pods]
                    client = (BareEpoll if name == "epoll" else BareAsyncio)(pods, PORT)
                    stack.callback(client.close)
                    turn = _Asking(client, _asks(running, asked, self.rounds.seed), metrics)
                contestants.append(
                    Contestant(
                        name=name,
                        label=LABELS[name],
                        turn=turn,
                        beside=MEASURE,
                        weight=self._weight(),
                    )
                )
            self.rounds.play(Case(size=len(asked)), contestants, notebook, tell=tell)

    def _names(self) -> Sequence[str]:
        return chosen(TAKES_PART, self.only)

    def _weight(self) -> float:
        return SECONDS_A_PROBE * FLOWS_A_SERVICE * ATTEMPTS * self.services


@dataclass(frozen=True, slots=True)
class _Observing:
    """labkit's turn."""

    running: Running
    asked: Sequence[Flow]
    metrics: Metrics

    def __call__(self) -> Mapping[Metric, float]:
        began = time.perf_counter()
        seen = self.running.observe(self.asked, attempts=ATTEMPTS)
        taken = time.perf_counter() - began
        for each in seen:
            if each.outcome is not Outcome.CONNECTED:
                flow = each.flow
                raise LabError(f"{flow.source} to {flow.address}:{flow.dport}: {each.outcome}")
        return {self.metrics.rate: sum(each.attempts for each in seen) / taken}


@dataclass(frozen=True, slots=True)
class _Asking:
    """A bare client's turn."""

    client: Client
    asks: Sequence[Ask]
    metrics: Metrics

    def __call__(self) -> Mapping[Metric, float]:
        return self.metrics.of(lambda: self.client.run(self.asks))


def _asks(running: Running, asked: Sequence[Flow], seed: int) -> list[Ask]:
    """The same attempts, shuffled as labkit's are."""
    found = [
        Ask(running.namespace(flow.source), str(flow.address), flow.dport)
        for flow in asked
        for _ in range(ATTEMPTS)
    ]
    random.Random(seed).shuffle(found)  # noqa: S311 - an order, no secret
    return found
