"""Blocks of a run, and what they have shown together."""

from __future__ import annotations

from itertools import islice

from labkit.fuzz.block import CLUSTERS_A_BLOCK, Block, BlockResult
from labkit.fuzz.plan import blocks_of, together
from labkit.probe.findings import Failure
from labkit.probe.table import Kernel

HOST = Kernel(kind="host", release="6.18.0")
RUN = Block(seed=7, dataplane="nftables")


def failure(scenario: str, *, seed: int = 1, alone: bool = True) -> Failure:
    return Failure(seed=seed, dataplane="nftables", flows=("f",), scenario=scenario, alone=alone)


def result(clusters: int = 1, failure: Failure | None = None) -> BlockResult:
    return BlockResult(
        block=RUN,
        clusters=clusters,
        asked={("ClusterIP", "connected"): 2 * clusters},
        unjudged=1,
        kernel=HOST,
        real=None,
        elapsed_s=1.0,
        failure=failure,
    )


def test_blocks_make_up_the_run() -> None:
    blocks = list(blocks_of(RUN, 2 * CLUSTERS_A_BLOCK + 1))

    assert [block.count for block in blocks] == [CLUSTERS_A_BLOCK, CLUSTERS_A_BLOCK, 1]
    assert {block.dataplane for block in blocks} == {"nftables"}


def test_a_longer_run_begins_as_a_shorter_one() -> None:
    short = list(blocks_of(RUN, 3 * CLUSTERS_A_BLOCK))

    assert list(islice(blocks_of(RUN, None), 3)) == short


def test_runs_with_seeds_next_to_each_other_share_no_block() -> None:
    seeds = [
        block.seed for seed in (0, 1, -1) for block in islice(blocks_of(Block(seed=seed), None), 99)
    ]

    assert len(set(seeds)) == len(seeds)


def test_some_blocks_have_an_overlay_network() -> None:
    assert {"network": {"podNetwork": "vxlan"}} in [
        block.spec for block in islice(blocks_of(RUN, None), 4)
    ]


def test_counts_are_added_up() -> None:
    found = together(RUN, [result(3), result(4)], here=HOST, elapsed_s=2.0)

    assert (found.clusters, found.flows, found.unjudged, found.passed) == (7, 14, 2, True)


def test_the_smallest_failure_that_shows_alone_comes_first() -> None:
    small = failure("# a\nsmall")
    large = failure("# a\nlarger scenario")
    shy = failure("# a\nx", alone=False)

    found = together(
        RUN, [result(failure=each) for each in (shy, large, small)], here=HOST, elapsed_s=1.0
    )

    assert found.failures == (small, large, shy)
    assert not found.passed


def test_the_same_cluster_is_the_same_failure_whatever_its_seed() -> None:
    first, second = failure("# seed 1\nsame", seed=1), failure("# seed 2\nsame", seed=2)

    found = together(
        RUN, [result(failure=each) for each in (second, first)], here=HOST, elapsed_s=1.0
    )

    assert found.failures == (first,)
