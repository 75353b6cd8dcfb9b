from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

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
