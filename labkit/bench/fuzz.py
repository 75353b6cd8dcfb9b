"""Random clusters a second: in a lab that stays, in processes, beside a new lab for each cluster.

Every way tries the same clusters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from labkit.bench.contest import Case, Contestant, Notebook, Rounds, Tell, Turn, chosen
from labkit.bench.results import Metric
from labkit.errors import LabError
from labkit.fuzz.block import Block, BlockResult, run_block
from labkit.fuzz.clusters import RandomCluster, clusters
from labkit.fuzz.plan import blocks_of
from labkit.fuzz.spread import default_jobs, in_processes
from labkit.lab.lab import Lab
from labkit.manifest.load import load_objects

RATE: Final = Metric("clusters", "a second")
FEW: Final = 12
"""A new lab for each cluster waits for all silence of all of them: a few tell enough."""
LABELS: Final[Mapping[str, str]] = {
    "new": "a new lab for each cluster",
    "one": "one lab, one process",
    "processes": "`labkit fuzz`: one lab a process, four processes a core",
}
SECONDS_A_CLUSTER: Final[Mapping[str, float]] = {"new": 2.0, "one": 0.15, "processes": 0.05}


@dataclass(frozen=True, slots=True, kw_only=True)
class FuzzCell:
    """So many random clusters of at most two nodes and one Service."""

    clusters: int
    only: tuple[str, ...]
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        names = chosen(tuple(LABELS), self.only)
        return self.rounds.count * sum(map(self._weight, names))

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Do all rounds."""
        block = Block(seed=self.rounds.seed, nodes=2, services=1)
        few = random_clusters(min(FEW, self.clusters), block)
        every = list(blocks_of(block, self.clusters))
        turns: Mapping[str, Turn] = {
            "new": lambda: _rate(len(few), lambda: _new_labs(few)),
            "one": lambda: _rate(self.clusters, lambda: _passed(map(run_block, every))),
            "processes": lambda: _rate(
                self.clusters, lambda: _passed(in_processes(every, default_jobs()))
            ),
        }
        contestants = [
            Contestant(
                name=name,
                label=LABELS[name],
                turn=turns[name],
                beside="new",
                weight=self._weight(name),
            )
            for name in chosen(tuple(LABELS), self.only)
        ]
        self.rounds.play(Case(size=self.clusters), contestants, notebook, tell=tell)

    def _weight(self, name: str) -> float:
        count = min(FEW, self.clusters) if name == "new" else self.clusters
        return SECONDS_A_CLUSTER[name] * count


def random_clusters(count: int, block: Block) -> list[RandomCluster]:
    """The first clusters of a block."""
    found: list[RandomCluster] = []

    @seed(block.seed)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(clusters(nodes=block.nodes, services=block.services, spec=block.spec))
    def keep(cluster: RandomCluster) -> None:
        found.append(cluster)

    keep()
    return found[:count]


def _rate(count: int, work: Callable[[], None]) -> Mapping[Metric, float]:
    began = time.perf_counter()
    work()
    return {RATE: count / (time.perf_counter() - began)}


def _passed(results: Iterable[BlockResult]) -> None:
    for result in results:
        if result.failure is not None:
            raise LabError("a cluster is not as specified; labkit fuzz says which")


def _new_labs(some: Sequence[RandomCluster]) -> None:
    """A lab of its own for each cluster, and its flow table."""
    for each in some:
        with Lab(load_objects(each.manifests)) as lab:
            if any(row.agrees is False for row in lab.matrix().flows):
                raise LabError("a cluster is not as specified; labkit fuzz says which")
