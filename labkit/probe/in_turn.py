"""Observes very many flows: so many attempts at once as a machine holds, results in their order.

What was seen of a flow is handed on and kept no longer, so that memory depends on the attempts that
are open and not on how many flows there are.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from labkit.probe.flow import Flow, Observation

BATCHES: Final = 4
"""Batches of flows that are observed at once.

A flow that nobody answers keeps its batch for `labkit.probe.engine.ANSWER_TIMEOUT_S`: meanwhile the
others go on, and so the silent flows of all of them are waited for together.
"""

Observing = Callable[[Sequence[Flow]], Coroutine[object, object, Sequence[Observation]]]
"""Observes some flows, and returns what was seen of each in their order."""


class InTurn:
    """Owns the batches that are observed; all methods run on one loop."""

    def __init__(
        self, observing: Observing, flows: Iterable[Flow], *, attempts: int, most: int
    ) -> None:
        """Take what to ask.

        Args:
            observing: observes the flows of a batch.
            flows: taken when their turn comes.
            attempts: how many each flow begins with.
            most: how many attempts may be open at once.
        """
        size = max(1, most // BATCHES // attempts)
        self._at_once = BATCHES if size * attempts * BATCHES <= most else 1
        self._observing = observing
        self._batches = _batches(flows, size)
        self._running: deque[asyncio.Future[Sequence[Observation]]] = deque()

    async def some(self) -> Sequence[Observation]:
        """What was seen of the next flows, in their order; nothing once all are done."""
        for batch in islice(self._batches, self._at_once - len(self._running)):
            self._running.append(asyncio.ensure_future(self._observing(batch)))
        return await self._running.popleft() if self._running else ()

    async def close(self) -> None:
        """Give up what is not done."""
        for each in self._running:
            each.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()


def _batches(flows: Iterable[Flow], size: int) -> Iterator[Sequence[Flow]]:
    left = iter(flows)
    while batch := tuple(islice(left, size)):
        yield batch
