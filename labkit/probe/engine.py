"""Probes: client sockets made inside the namespaces, all driven by one event loop.

`Engine` is the interface, kept narrow so that another engine can take its place.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from typing import Protocol as Interface

from labkit.cluster.model import Protocol
from labkit.kernel.open_files import room_for_sockets
from labkit.probe.attempt import Attempt, Probe, open_sockets
from labkit.probe.flow import Answer
from labkit.probe.poller import Poller
from labkit.probe.source_ports import SourcePorts

ANSWER_TIMEOUT_S: Final = 1.7
"""Silence for so long is a `timeout`.

A lost SYN is sent again by the kernel after 1 s (RFC 6298) and then needs a moment for its answer.
The attempt stays on its socket for all this time instead of starting anew: conntrack keeps a flow
on its endpoint, whereas a new source port would draw another one, and a second chance would hide
an endpoint that never answers.
"""
RESEND_S: Final = 0.6
"""A UDP request is sent again after so long without an answer, as TCP's kernel does for it."""
CHUNK: Final = 256
"""Probes started in one go: small enough for a responder's receive buffer and listen queue."""
STRAGGLERS_S: Final = 0.02
"""Wait so long for most of a chunk before the next; the rest is waited for beside the next."""
MAX_OPEN: Final = 16384
"""Probes open at once, if the limit of open files allows it."""
LATE_S: Final = 0.1
"""A deadline noticed so late is put off: the loop was busy, the network may not be silent."""


class Probes(NamedTuple):
    """How many probes were asked for, and how many of them have ended."""

    asked: int = 0
    answered: int = 0


class Engine(Interface):
    """Makes attempts and says what each of them saw."""

    async def probe(
        self, attempts: Sequence[Attempt], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> list[Answer]:
        """Return one answer per attempt, in their order.

        Attempts are started in the order given. Every socket is closed when this returns, raises
        or is cancelled.
        """
        ...


class AsyncioEngine:
    """Drives all probes from the running asyncio loop; several `probe` calls may run at once."""

    def __init__(self, *, seed: int = 0) -> None:
        self._ports = SourcePorts(random.Random(seed))  # noqa: S311 - a place to start, no secret
        self._turn = asyncio.Lock()
        """A chunk starts alone, whatever calls run: responders hold one, not one of each call."""
        self._asked = 0
        self._answered = 0

    @property
    def probes(self) -> Probes:
        """How many there were so far; may be asked from any thread."""
        return Probes(self._asked, self._answered)

    async def probe(
        self, attempts: Sequence[Attempt], *, timeout_s: float = ANSWER_TIMEOUT_S
    ) -> list[Answer]:
        """Return one answer per attempt, in their order.

        Raises:
            MissingFeature: this kernel has no SCTP.
            LabError: a socket could not be made or bound, or failed in a way that says nothing
                about the network.
        """
        self._asked += len(attempts)
        wave = _Wave(self._turn, self._ports, timeout_s, self._count)
        try:
            return await wave.run(attempts)
        finally:
            wave.close()

    def _count(self) -> None:
        self._answered += 1


class _Wave:
    """One `probe` call: owns its sockets and its poller."""

    def __init__(
        self,
        turn: asyncio.Lock,
        ports: SourcePorts,
        timeout_s: float,
        count: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._turn = turn
        self._ports = ports
        self._timeout_s = timeout_s
        self._count = count
        self._poller = Poller(self._loop)
        self._open: set[Probe] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._waiter: asyncio.Future[None] | None = None
        self._enough = 0
        self._failure: Exception | None = None

    async def run(self, attempts: Sequence[Attempt]) -> list[Answer]:
        probes: list[Probe] = []
        most = room_for_sockets(min(len(attempts), MAX_OPEN))
        size = min(CHUNK, most)
        for start in range(0, len(attempts), size):
            chunk = attempts[start : start + size]
            await self._until_open(most - len(chunk))
            async with self._turn:
                probes += self._start(chunk)
                await self._until_open(len(self._open) - size // 2, patience_s=STRAGGLERS_S)
        await self._until_open(0)
        return [probe.answer for probe in probes]

    def close(self) -> None:
        """Close what is still open: after the last answer that is nothing."""
        for timer in self._timers:
            timer.cancel()
        self._poller.close()
        for probe in self._open:
            probe.abandon()
        self._open.clear()

    def _start(self, attempts: Sequence[Attempt]) -> list[Probe]:
        now = self._loop.time()
        probes = [
            Probe(attempt, sock, self._poller, self._ended)
            for attempt, sock in zip(attempts, open_sockets(attempts), strict=True)
        ]
        self._open.update(probes)
        for probe in probes:
            probe.start(self._ports)
        if any(attempt.protocol is Protocol.UDP for attempt in attempts):
            self._later(RESEND_S, lambda: self._resend(probes))
        self._later(self._timeout_s, lambda: self._expire(probes, now + self._timeout_s))
        return probes

    def _resend(self, probes: Sequence[Probe]) -> None:
        for probe in probes:
            if probe in self._open and probe.attempt.protocol is Protocol.UDP:
                probe.send_again()

    def _expire(self, probes: Sequence[Probe], deadline: float) -> None:
        late_s = self._loop.time() - deadline
        if late_s > LATE_S:
            again = self._loop.time() + late_s
            self._later(late_s, lambda: self._expire(probes, again))
            return
        for probe in probes:
            if probe in self._open:
                probe.expire()

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        self._timers.append(self._loop.call_later(delay_s, action))

    def _ended(self, probe: Probe) -> None:
        self._open.discard(probe)
        self._count()
        self._failure = self._failure or probe.failure
        if len(self._open) <= self._enough or self._failure:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _until_open(self, most: int, *, patience_s: float | None = None) -> None:
        """Wait until at most ``most`` probes are open, or for ``patience_s``."""
        if len(self._open) > most and not self._failure:
            self._enough, self._waiter = most, self._loop.create_future()
            timer = None if patience_s is None else self._loop.call_later(patience_s, self._wake)
            try:
                await self._waiter
            finally:
                if timer is not None:
                    timer.cancel()
        if self._failure:
            raise self._failure
