from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from labkit.errors import LabError
from labkit.lab.loop import LoopThread


def test_whoever_waits_for_a_loop_that_is_closed_hears_why() -> None:
    began = threading.Event()

    async def wait_for_ever() -> None:
        began.set()
        await asyncio.Event().wait()

    with ThreadPoolExecutor(max_workers=1) as pool, LoopThread("labkit test") as loop:
        waiting = pool.submit(loop.run, wait_for_ever())
        began.wait()
        loop.close()
        with pytest.raises(LabError, match="taken down meanwhile"):
            waiting.result()


def test_work_that_is_interrupted_ends_and_the_loop_goes_on() -> None:
    began = threading.Event()

    async def wait_for_ever() -> None:
        began.set()
        await asyncio.Event().wait()

    async def answer() -> str:
        return "still here"

    with ThreadPoolExecutor(max_workers=1) as pool, LoopThread("labkit test") as loop:
        waiting = pool.submit(loop.run, wait_for_ever())
        began.wait()
        loop.interrupt()
        with pytest.raises(LabError, match="given up"):
            waiting.result()
        assert loop.run(answer()) == "still here"


def test_work_is_interrupted_from_the_moment_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    began, interrupted = threading.Event(), threading.Event()
    submit = asyncio.run_coroutine_threadsafe

    async def wait_for_ever() -> None:
        began.set()
        await asyncio.Event().wait()

    def submit_and_dawdle(
        work: Coroutine[object, object, None], loop: asyncio.AbstractEventLoop
    ) -> Future[None]:
        future = submit(work, loop)
        interrupted.wait(timeout=0.2)  # an interrupt has to wait for this, or it misses the work
        return future

    with ThreadPoolExecutor(max_workers=1) as pool, LoopThread("labkit test") as loop:
        with monkeypatch.context() as patch:
            patch.setattr("labkit.lab.loop.asyncio.run_coroutine_threadsafe", submit_and_dawdle)
            waiting = pool.submit(loop.run, wait_for_ever())
            began.wait()
            loop.interrupt()
            interrupted.set()
        with pytest.raises(LabError, match="given up"):
            waiting.result(timeout=10)
