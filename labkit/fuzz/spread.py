"""Does blocks at the same time, in processes of their own: most of a block's time is waiting."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Final

from labkit.errors import LabError
from labkit.fuzz.block import Block, BlockResult, run_block

JOBS_A_CORE: Final = 4
"""Three quarters of a block's time are waits for answers that do not come."""
PR_SET_PDEATHSIG: Final = 1


def default_jobs() -> int:
    """How many blocks to do at a time on this machine."""
    return JOBS_A_CORE * len(os.sched_getaffinity(0))


def in_processes(blocks: Iterable[Block], jobs: int) -> Iterator[BlockResult]:
    """Yield the results of blocks as they end; closing this ends what is under way.

    Raises:
        LabkitError: what a block raised.
        LabError: a process died.
    """
    if jobs == 1:
        yield from map(run_block, blocks)
        return
    waiting = iter(blocks)
    others = set(multiprocessing.active_children())
    # New interpreters: this one may have threads. A server that forks them would outlive kill -9.
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_die_with,
        initargs=(os.getpid(),),
    )
    try:
        pending = {pool.submit(run_block, each) for each in islice(waiting, jobs)}
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for each in islice(waiting, len(done)):
                pending.add(pool.submit(run_block, each))
            yield from map(Future.result, done)
    except BrokenProcessPool as error:
        raise LabError("a process of the fuzzer was killed; is there too little memory?") from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        mine = set(multiprocessing.active_children()) - others
        for process in mine:
            process.kill()
        for process in mine:
            process.join()


def _die_with(parent: int) -> None:
    """End when the process that started this one does, and leave Ctrl-C to it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
