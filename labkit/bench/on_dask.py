"""Gives the cells of a sweep to the workers of a Dask cluster, one at a time on each machine.

Source: https://distributed.dask.org/en/stable/locality.html, "User Control".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from labkit.bench.contest import Cell, Notebook
from labkit.bench.machine import this_machine
from labkit.bench.results import Run
from labkit.fuzz.on_dask import check_dask, connected, result_of

if TYPE_CHECKING:
    from distributed import Client, Future


def on_dask(cells: Sequence[Cell], address: str) -> Iterator[tuple[Cell, Run]]:
    """Yield each cell with what it has measured; closing this cancels what is under way.

    Args:
        cells: what to measure. The largest begin, so that no machine waits long for another.
        address: the scheduler's, as ``tcp://192.0.2.1:8786``; empty for a worker on this machine.

    Raises:
        MissingFeature: this machine has no Dask.
        UsageError: the address is none.
        LabError: nobody answers there, or a worker died.
        LabkitError: what a cell raised.
    """
    check_dask()
    with ExitStack() as stack:
        if not address:
            from distributed import LocalCluster

            address = stack.enter_context(
                LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None)
            ).scheduler_address
        yield from _one_a_machine(stack.enter_context(connected(address)), cells)


def measure_on_worker(cell: Cell) -> Run:
    """Measure a cell."""
    notebook = Notebook(this_machine())
    cell.measure(notebook, lambda _: None)
    return notebook.run()


def one_worker_a_machine(workers: Sequence[tuple[str, str]]) -> list[str]:
    """Return the addresses of one worker on each host, of (host, address) pairs."""
    found: dict[str, str] = {}
    for host, address in sorted(workers):
        found.setdefault(host, address)
    return list(found.values())


def _one_a_machine(client: Client, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Run]]:
    from distributed import as_completed

    known = client.scheduler_info(n_workers=-1)["workers"]
    idle = one_worker_a_machine([(known[address]["host"], address) for address in known])
    waiting = sorted(cells, key=lambda cell: cell.weight)
    busy: dict[Future[Run], tuple[Cell, str]] = {}
    pending = as_completed(loop=client.loop)

    def begin() -> None:
        while waiting and idle:
            cell, worker = waiting.pop(), idle.pop()
            future = client.submit(measure_on_worker, cell, workers=[worker], pure=False)
            busy[future] = (cell, worker)
            pending.add(future)

    begin()
    for future in pending:
        run = result_of(future)
        cell, worker = busy.pop(future)
        idle.append(worker)
        begin()
        yield cell, run
