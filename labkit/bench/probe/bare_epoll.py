"""The measure for probes: the same exchange by select.epoll alone, without asyncio or labkit.

It asks and answers the same bytes from the same namespaces in one process, and does nothing else:
no timeouts, no errors told apart, no JSON read, no source ports of its own choice.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from labkit.bench.probe.ask import ANSWER, SILENCE_S, WINDOW, Ask, grouped
from labkit.kernel.netns import Namespace
from labkit.probe.wire import PROBE_REQUEST

BACKLOG: Final = 4096
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class BareEpoll:
    """Owns one epoll, the listening sockets, and the conversations under way."""

    def __init__(self, listeners: Sequence[Namespace], port: int) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._taken: list[float] = []
        self._listeners = [self._listen(namespace, port) for namespace in listeners]

    def close(self) -> None:
        """Close every socket."""
        for listener in self._listeners:
            listener.close()
        self._epoll.close()

    def run(self, asks: Sequence[Ask]) -> list[float]:
        """Ask everything, and return what each took, in seconds."""
        self._taken = []
        started = 0
        while len(self._taken) < len(asks):
            room = WINDOW - (started - len(self._taken))
            if room >= WINDOW // 2 and started < len(asks):
                batch = asks[started : started + room]
                started += len(batch)
                for sock, ask in zip(self._open(batch), batch, strict=True):
                    self._ask(sock, ask)
            ready = self._epoll.poll(SILENCE_S, WINDOW)
            if not ready:
                raise TimeoutError(f"no answer for {SILENCE_S:.0f} s")
            for fd, _events in ready:
                self._callbacks[fd]()
        return self._taken

    def _open(self, batch: Sequence[Ask]) -> Iterator[socket.socket]:
        made = {
            namespace: namespace.sockets(count, socket.AF_INET, _STREAM)
            for namespace, count in grouped(batch).items()
        }
        for ask in batch:
            yield made[ask.namespace].pop()

    def _ask(self, sock: socket.socket, ask: Ask) -> None:
        began = time.perf_counter()
        sock.connect_ex((ask.address, ask.port))
        fd = sock.fileno()

        def send() -> None:
            if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, f"{os.strerror(code)}: {ask.address}:{ask.port}")
            sock.send(PROBE_REQUEST)
            self._callbacks[fd] = receive
            self._epoll.modify(fd, select.EPOLLIN)

        def receive() -> None:
            if not sock.recv(65536):
                raise ConnectionError("no answer")
            del self._callbacks[fd]
            sock.close()
            self._taken.append(time.perf_counter() - began)

        self._callbacks[fd] = send
        self._epoll.register(fd, select.EPOLLOUT)

    def _listen(self, namespace: Namespace, port: int) -> socket.socket:
        listener = namespace.socket(socket.AF_INET, _STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", port))
        listener.listen(BACKLOG)

        def accept() -> None:
            while True:
                try:
                    connection, _peer = listener.accept()
                except BlockingIOError:
                    return
                self._answer(connection)

        self._callbacks[listener.fileno()] = accept
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        return listener

    def _answer(self, connection: socket.socket) -> None:
        connection.setblocking(False)  # noqa: FBT003 - the socket's own name for it
        fd = connection.fileno()

        def answer() -> None:
            if connection.recv(65536):
                connection.send(ANSWER)
            del self._callbacks[fd]
            connection.close()

        self._callbacks[fd] = answer
        self._epoll.register(fd, select.EPOLLIN)
