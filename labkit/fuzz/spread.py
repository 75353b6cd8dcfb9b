"""Does blocks at the same time, in processes of their own: most of a block's time is waiting."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Final

from labkit.errors import LabError, LabkitError
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
    with ExitStack() as stack:
        busy: dict[object, _Worker] = {}
        for block in islice(waiting, jobs):
            worker = stack.enter_context(_Worker())
            worker.give(block)
            busy[worker.connection] = worker
        while busy:
            for ready in wait([worker.connection for worker in busy.values()]):
                worker = busy.pop(ready)
                result = worker.take()
                for block in islice(waiting, 1):
                    worker.give(block)
                    busy[worker.connection] = worker
                yield result


class _Worker:
    """Owns one process, which does one block after the other; it ends with this one.

    A new interpreter, as this one may have threads, and a pipe to it: a pool of processes leaves
    semaphores behind where the command is ended at once.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
        # Its start would lift the block that is set next.
        resource_tracker.ensure_running()
        # What a terminal sends on Ctrl-C is for the command: a process begins with it blocked.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()

    def __enter__(self) -> _Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def give(self, block: Block) -> None:
        """Have it do a block."""
        try:
            self.connection.send(block)
        except OSError as error:
            raise _killed() from error

    def take(self) -> BlockResult:
        """Return the result of the block that it was given.

        Raises:
            LabkitError: what the block raised.
            LabError: the process died.
        """
        try:
            found: BlockResult | LabkitError = self.connection.recv()
        except (EOFError, OSError) as error:
            raise _killed() from error
        if isinstance(found, LabkitError):
            raise found
        return found


def _killed() -> LabError:
    return LabError("a process of the fuzzer was killed; is there too little memory?")


def _serve(connection: Connection, parent: int) -> None:
    """Do the blocks that come, until the other end is closed or its process is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    while True:
        try:
            block: Block = connection.recv()
        except EOFError:
            return
        try:
            found: BlockResult | LabkitError = run_block(block)
        except LabkitError as error:
            found = error
        connection.send(found)
