"""Does blocks on the workers of a Dask cluster that is there already.

A block whose worker dies is done again by another: its seed is all that there is to know of it.

Source: https://distributed.dask.org/en/stable/resilience.html.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from labkit.errors import LabError, MissingFeature, UsageError
from labkit.fuzz.block import STORAGE, Block, BlockResult, run_block
from labkit.kernel.folders import cache_folder

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")

BLOCKS_A_THREAD: Final = 2
"""So many are given out at a time: the next one is there when one ends."""
CONNECT_S: Final = 10


def on_dask(blocks: Iterable[Block], address: str) -> Iterator[BlockResult]:
    """Yield the results of blocks as they end; closing this cancels what is under way.

    Args:
        blocks: what to do.
        address: the scheduler's, as ``tcp://192.0.2.1:8786``.

    Raises:
        MissingFeature: this machine has no Dask.
        UsageError: the address is none.
        LabError: nobody answers at that address, it has no workers, or a block killed one worker
            after the other.
        LabkitError: what a block raised.
    """
    with connected(address) as client:
        threads = sum(client.nthreads().values())
        yield from _results(client, iter(blocks), BLOCKS_A_THREAD * threads)


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """Yield a client of the Dask scheduler at an address; it has workers.

    Raises:
        MissingFeature: this machine has no Dask.
        UsageError: the address is none.
        LabError: nobody answers at that address, or it has no workers.
    """
    check_dask()
    import distributed
    from distributed.comm.addressing import get_address_host_port

    try:
        get_address_host_port(address)
    except ValueError as error:
        raise UsageError(f"--dask {address}: {error}; write tcp://HOST:PORT") from error
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TypeError, RuntimeError) as error:
        raise LabError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        if not sum(client.nthreads().values()):
            raise LabError(f"the Dask scheduler at {address} has no workers")
        yield client


def check_dask() -> None:
    """Find out whether there is Dask.

    Raises:
        MissingFeature: this machine has none.
    """
    try:
        import distributed  # noqa: F401 - whether it can be
    except ImportError as error:
        raise MissingFeature(
            "dask",
            found="the Python package distributed is missing",
            remedy="pip install labkit[dask]",
        ) from error


def result_of(future: Future[T]) -> T:
    """Return what a worker has returned, or raise what it has raised.

    Raises:
        LabError: its workers died one after the other, or the scheduler is gone.
    """
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker as error:
        raise LabError(f"Dask workers died of a block, one after the other: {error}") from error
    except (CancelledError, asyncio.CancelledError, OSError) as error:
        raise LabError(f"the Dask scheduler is gone: {error}") from error


def run_on_worker(block: Block) -> BlockResult:
    """Do a block, without leaving Hypothesis' folder where the worker happens to be."""
    os.environ.setdefault(STORAGE, str(cache_folder() / "hypothesis"))
    return run_block(block)


def _results(client: Client, blocks: Iterator[Block], at_a_time: int) -> Iterator[BlockResult]:
    from distributed import as_completed

    def given(block: Block) -> Future[BlockResult]:
        return client.submit(run_on_worker, block, pure=False)

    first = [given(block) for block in islice(blocks, at_a_time)]
    pending = as_completed(first, loop=client.loop)
    for future in pending:
        result = result_of(future)
        for block in islice(blocks, 1):
            pending.add(given(block))
        yield result
