"""Blocks on a Dask cluster of two worker processes: the same findings, also if a worker dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
from distributed import LocalCluster

from labkit.errors import LabError, UsageError
from labkit.fuzz.block import Block, BlockResult, run_block
from labkit.fuzz.on_dask import on_dask
from labkit.fuzz.plan import blocks_of
from labkit.fuzz.run import FuzzRequest, fuzz

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.filterwarnings("default"),  # distributed's own
]
BLOCKS = [replace(block, count=5) for block in blocks_of(Block(seed=4), 150)]


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as made:
        yield made


def test_workers_find_what_one_process_finds(cluster: LocalCluster) -> None:
    blocks = BLOCKS[:4]

    found = sorted(on_dask(blocks, cluster.scheduler_address), key=lambda each: each.block.seed)

    here = [run_block(block) for block in blocks]
    assert [(each.block, each.clusters, sum(each.asked.values())) for each in found] == [
        (each.block, each.clusters, sum(each.asked.values())) for each in here
    ]


def test_the_blocks_of_a_worker_that_dies_are_done_again(cluster: LocalCluster) -> None:
    found: list[BlockResult] = []
    for result in on_dask(BLOCKS, cluster.scheduler_address):
        if not found:
            victim = next(iter(cluster.workers.values()))
            os.kill(victim.pid, signal.SIGKILL)
        found.append(result)

    assert sorted(each.block.seed for each in found) == sorted(block.seed for block in BLOCKS)


def test_a_run_on_dask_is_reported_as_one_here(cluster: LocalCluster) -> None:
    block = Block(seed=5, nodes=2, services=1)

    there = fuzz(FuzzRequest(block=block, clusters=10, dask=cluster.scheduler_address))
    here = fuzz(FuzzRequest(block=block, clusters=10, jobs=1))

    assert (there.clusters, there.flows, there.passed) == (here.clusters, here.flows, True)


@pytest.mark.parametrize("address", ["192.0.2.1", "nonsense://x:1"])
def test_what_is_no_address_is_told_so(address: str) -> None:
    with pytest.raises(UsageError, match=f"--dask {address}: .*; write tcp://HOST:PORT"):
        list(on_dask([Block(seed=1)], address))


def test_nobody_at_the_address_is_told_in_one_sentence() -> None:
    with pytest.raises(LabError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        list(on_dask([Block(seed=1)], "tcp://127.0.0.1:1"))
