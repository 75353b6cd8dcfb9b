"""Random clusters a second: in a lab that stays, in processes, beside a new lab for each cluster.

Every way tries the same clusters, in turns; the medians are printed.

Usage: python bench/bench_fuzz.py [--clusters 200] [--nodes 2] [--services 1] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings

from labkit.fuzz.block import Block, run_block
from labkit.fuzz.clusters import RandomCluster, clusters
from labkit.fuzz.plan import blocks_of
from labkit.fuzz.spread import default_jobs, in_processes
from labkit.lab.lab import Lab
from labkit.manifest.load import load_objects

FEW: Final = 12
"""A new lab for each cluster waits for all silence of all of them: a few tell enough."""


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


def new_labs(some: Sequence[RandomCluster]) -> None:
    """A lab of its own for each cluster, and its flow table."""
    for each in some:
        with Lab(load_objects(each.manifests)) as lab:
            assert all(row.agrees is not False for row in lab.matrix().flows)  # noqa: S101


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--services", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    given_ = parser.parse_args()
    count = given_.clusters
    block = Block(seed=1, nodes=given_.nodes, services=given_.services)
    few = random_clusters(min(FEW, count), block)
    jobs = default_jobs()

    def processes() -> None:
        for result in in_processes(blocks_of(block, count), jobs):
            assert result.failure is None  # noqa: S101

    def one_process() -> None:
        for each in blocks_of(block, count):
            assert run_block(each).failure is None  # noqa: S101

    ways: Sequence[tuple[str, int, Callable[[], None]]] = (
        (f"one lab, {jobs} processes", count, processes),
        ("one lab, one process", count, one_process),
        ("a new lab for each", len(few), lambda: new_labs(few)),
    )
    rates: dict[str, list[float]] = {name: [] for name, _, _ in ways}
    for _ in range(given_.rounds):
        for name, tried, way in ways:
            began = time.monotonic()
            way()
            rates[name].append(tried / (time.monotonic() - began))
    slowest = rates["a new lab for each"]
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(found, slowest, strict=True))
        spread = f"{min(found):.1f}-{max(found):.1f}"
        print(f"{name:28} {statistics.median(found):6.1f} a second ({spread}), ratio {ratio:.1f}")


if __name__ == "__main__":
    main()
