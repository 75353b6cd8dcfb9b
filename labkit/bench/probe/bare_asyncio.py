"""The same exchange as `bare_epoll` by asyncio's own calls: a future and a handle for each step."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from labkit.bench.probe.ask import ANSWER, SILENCE_S, WINDOW, Ask, grouped
from labkit.kernel.netns import Namespace
from labkit.probe.wire import PROBE_REQUEST

BACKLOG: Final = 4096
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class BareAsyncio:
    """Owns a loop, the listening sockets and the tasks that answer on them."""

    def __init__(self, listeners: Sequence[Namespace], port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._listeners = [_listening(namespace, port) for namespace in listeners]
        self._answering = {self._loop.create_task(self._accept(each)) for each in self._listeners}

    def close(self) -> None:
        """Close every socket."""
        for task in self._answering:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._answering, return_exceptions=True))
        for listener in self._listeners:
            listener.close()
        self._loop.close()

    def run(self, asks: Sequence[Ask]) -> list[float]:
        """Ask everything, and return what each took, in seconds."""
        return self._loop.run_until_complete(self._run(asks))

    async def _run(self, asks: Sequence[Ask]) -> list[float]:
        taken: list[float] = []
        for start in range(0, len(asks), WINDOW):
            batch = asks[start : start + WINDOW]
            made = {
                namespace: namespace.sockets(count, socket.AF_INET, _STREAM)
                for namespace, count in grouped(batch).items()
            }
            each = (self._ask(made[ask.namespace].pop(), ask) for ask in batch)
            taken += await asyncio.wait_for(asyncio.gather(*each), SILENCE_S)
        return taken

    async def _ask(self, sock: socket.socket, ask: Ask) -> float:
        began = time.perf_counter()
        with sock:
            await self._loop.sock_connect(sock, (ask.address, ask.port))
            await self._loop.sock_sendall(sock, PROBE_REQUEST)
            if not await self._loop.sock_recv(sock, 65536):
                raise ConnectionError("no answer")
        return time.perf_counter() - began

    async def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _peer = await self._loop.sock_accept(listener)
            task = self._loop.create_task(self._answer(connection))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

    async def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if await self._loop.sock_recv(connection, 65536):
                await self._loop.sock_sendall(connection, ANSWER)


def _listening(namespace: Namespace, port: int) -> socket.socket:
    listener = namespace.socket(socket.AF_INET, _STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(BACKLOG)
    return listener
