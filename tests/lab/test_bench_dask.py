"""A sweep on a Dask cluster: each cell is measured once, on one machine one at a time."""

from __future__ import annotations

import pytest
from distributed import LocalCluster

from labkit.bench.contest import Rounds
from labkit.bench.lab.cell import LabCell
from labkit.bench.on_dask import on_dask
from labkit.bench.results import merged
from labkit.errors import LabError

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("default"),  # distributed's own
]
CELLS = [
    LabCell(pods=pods, nodes=1, only=("floor",), slow_up_to=1, rounds=Rounds(count=2, seed=0))
    for pods in (2, 3, 4)
]


def test_workers_measure_every_cell_one_at_a_time() -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        found = list(on_dask(CELLS, cluster.scheduler_address))

    # Two workers of one machine: the largest goes first, and each waits for the one before.
    assert [cell for cell, _ in found] == [*reversed(CELLS)]
    for cell, run in found:
        assert isinstance(cell, LabCell)
        assert {each.size for each in run.measurements} == {cell.pods}
    (run,) = merged(run for _, run in found)
    assert all(len(each.values) == 2 for each in run.measurements)


def test_without_a_scheduler_a_worker_here_measures() -> None:
    ((_, run),) = on_dask(CELLS[:1], "")
    assert {each.contestant for each in run.measurements} == {"floor"}


def test_nobody_at_the_address_is_told_in_one_sentence() -> None:
    with pytest.raises(LabError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:1"):
        list(on_dask(CELLS, "tcp://127.0.0.1:1"))
