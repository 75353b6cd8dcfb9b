"""An event loop on a thread of its own: responders answer while the caller does something else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError, Future
from types import TracebackType
from typing import Any, Self, TypeVar

from labkit.errors import LabError

T = TypeVar("T")


class LoopThread:
    """Owns one thread and the asyncio loop that runs on it."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._waited_for: set[Future[Any]] = set()
        self._submitting = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Run ``work`` on the loop and return what it returns, or raise what it raises.

        An interrupt of the waiting thread (Ctrl-C) cancels the work before it is passed on.

        Raises:
            LabError: the loop was closed meanwhile, or the work interrupted.
        """
        # One step: the work may be running, and be interrupted, before this thread goes on.
        with self._submitting:
            future = asyncio.run_coroutine_threadsafe(work, self.loop)
            self._waited_for.add(future)
        try:
            return future.result()
        except CancelledError as error:
            raise LabError("this was given up, or the lab taken down meanwhile") from error
        except BaseException:
            future.cancel()
            raise
        finally:
            self._waited_for.discard(future)

    def interrupt(self) -> None:
        """Cancel what others wait for in `run`; from any thread."""
        with self._submitting:
            waited_for = list(self._waited_for)
        for future in waited_for:
            future.cancel()

    def close(self) -> None:
        """Cancel what still runs, end the thread and close the loop."""
        if not self._thread.is_alive():
            return
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    @staticmethod
    async def _cancel_all() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
