"""The measure for probes: the same exchange by select.epoll alone, without asyncio or labkit.

It asks and answers the same bytes from the same namespaces in one process, and does nothing else:
no timeouts, no errors told apart, no JSON read, no source ports of its own choice.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from labkit.kernel.netns import Namespace
from labkit.probe.wire import PROBE_REQUEST, Identity

WINDOW: Final = 256
"""Conversations at a time."""
ANSWER: Final = Identity("web-1", "node1", "web-1").http_answer("10.0.0.1:40000", "10.0.0.2:80")
_STREAM: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK


class BareEpoll:
    """Owns one epoll, the listening sockets, and the conversations under way."""

    def __init__(self, namespaces: Sequence[Namespace], port: int) -> None:
        self._namespaces = namespaces
        self._port = port
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._answered = 0
        self._listeners = [self._listen(namespace) for namespace in namespaces]

    def close(self) -> None:
        """Close every socket."""
        for listener in self._listeners:
            listener.close()
        self._epoll.close()

    def run(self, pairs: Sequence[tuple[int, str]]) -> None:
        """Probe from a namespace, by its place, to an address: all pairs, in order."""
        self._answered = 0
        started = 0
        while self._answered < len(pairs):
            room = WINDOW - (started - self._answered)
            if room >= WINDOW // 2 and started < len(pairs):
                batch = pairs[started : started + room]
                started += len(batch)
                for sock, (_place, address) in zip(self._open(batch), batch, strict=True):
                    self._ask(sock, address)
            for fd, _events in self._epoll.poll(1, WINDOW):
                self._callbacks[fd]()

    def _open(self, batch: Sequence[tuple[int, str]]) -> Iterator[socket.socket]:
        counts: dict[int, int] = {}
        for place, _address in batch:
            counts[place] = counts.get(place, 0) + 1
        made = {
            place: self._namespaces[place].sockets(count, socket.AF_INET, _STREAM)
            for place, count in counts.items()
        }
        for place, _address in batch:
            yield made[place].pop()

    def _ask(self, sock: socket.socket, address: str) -> None:
        sock.connect_ex((address, self._port))
        fd = sock.fileno()

        def send() -> None:
            sock.send(PROBE_REQUEST)
            self._callbacks[fd] = receive
            self._epoll.modify(fd, select.EPOLLIN)

        def receive() -> None:
            if not sock.recv(65536):
                raise ConnectionError("no answer")
            del self._callbacks[fd]
            sock.close()
            self._answered += 1

        self._callbacks[fd] = send
        self._epoll.register(fd, select.EPOLLOUT)

    def _listen(self, namespace: Namespace) -> socket.socket:
        listener = namespace.socket(socket.AF_INET, _STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", self._port))
        listener.listen(4096)

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
