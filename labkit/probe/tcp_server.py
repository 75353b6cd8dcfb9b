"""TCP of the responder: accepts, answers a probe's own request at once, leaves the rest to HTTP.

Whatever a client does (sends nothing, garbage, megabytes, a thousand requests at once, never
reads), it costs one bounded connection that is closed when it was idle for too long, or when too
many others came.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Final
from typing import Protocol as Interface

from labkit.probe.poller import READ, WRITE, Poller
from labkit.probe.wire import PROBE_REQUEST

if TYPE_CHECKING:  # h11 and the e2e paths are for others than probes: most labs never need them
    from labkit.probe.http_server import HttpConversation
    from labkit.probe.netexec import Request, Response

LISTEN_BACKLOG: Final = 4096
"""Linux' default somaxconn: a whole wave of probes may wait here for one turn of the loop."""
ACCEPTS_A_TURN: Final = 1024
"""More than the engine starts in a turn: a SYN that finds the queue full looks like silence."""
RECEIVE_BYTES: Final = 16384
IDLE_S: Final = 30.0
"""A connection on which nothing moved for so long is closed."""
MAX_CONNECTIONS: Final = 4096
"""Of all responders of a lab; one more closes the one that was silent longest."""
_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ACCEPT_AGAIN_S: Final = 0.05


class Site(Interface):
    """What a port answers."""

    def probe_answer(self, client: str, address: str) -> bytes:
        """Return the whole HTTP answer to a probe's own request, and close after it."""
        ...

    def respond(self, request: Request) -> Response:
        """Return the answer to any other HTTP request."""
        ...

    def command(self, message: bytes, client: str, address: str) -> bytes | None:
        """Return the answer to one UDP datagram or SCTP message."""
        ...


class Connections:
    """All accepted connections of a lab's responders, the one silent longest first."""

    def __init__(
        self, poller: Poller, *, idle_s: float = IDLE_S, most: int = MAX_CONNECTIONS
    ) -> None:
        self.poller = poller
        self._idle_s = idle_s
        self._most = most
        self._moved: dict[Connection, float] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._moved)

    def add(self, connection: Connection) -> None:
        """Keep a connection that needs more than one turn."""
        if len(self._moved) >= self._most:
            self.close_oldest()
        self._moved[connection] = self.poller.loop.time()
        if self._sweep is None:
            self._sweep = self.poller.loop.call_later(self._idle_s, self._close_idle)

    def touch(self, connection: Connection) -> None:
        """Note that something moved."""
        if self._moved.pop(connection, None) is not None:
            self._moved[connection] = self.poller.loop.time()

    def remove(self, connection: Connection) -> None:
        """Forget a connection that closed."""
        self._moved.pop(connection, None)

    def close_oldest(self) -> bool:
        """Close the connection that was silent longest; False if there is none."""
        oldest = next(iter(self._moved), None)
        if oldest is None:
            return False
        oldest.close()
        return True

    def close_of(self, listener: TcpListener) -> None:
        """Close the connections of one listener."""
        for connection in list(self._moved):
            if connection.listener is listener:
                connection.close()

    def close_all(self) -> None:
        """Close every connection."""
        for connection in list(self._moved):
            connection.close()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _close_idle(self) -> None:
        now = self.poller.loop.time()
        for connection, moved in list(self._moved.items()):
            if now - moved < self._idle_s:
                break
            connection.close()
        self._sweep = None
        if self._moved:
            oldest = next(iter(self._moved.values()))
            self._sweep = self.poller.loop.call_later(
                max(0.0, oldest + self._idle_s - now), self._close_idle
            )


class TcpListener:
    """Owns one listening socket (TCP, or SCTP in its one-to-one style)."""

    def __init__(
        self, sock: socket.socket, site: Site, connections: Connections, *, text: bool
    ) -> None:
        self._sock = sock
        self.site = site
        self.connections = connections
        self.text = text
        """Whether messages are the commands of UDP instead of HTTP: SCTP."""
        self._resume: asyncio.TimerHandle | None = None
        self._watch()

    def close(self) -> None:
        """Stop listening and close this port's connections."""
        if self._resume is not None:
            self._resume.cancel()
        self.connections.poller.forget(self._sock.fileno())
        self._sock.close()
        self.connections.close_of(self)

    def _watch(self) -> None:
        self._resume = None
        self.connections.poller.watch(self._sock.fileno(), READ, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, peer = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _NO_DESCRIPTORS:
                    continue  # that connection is gone already (accept(2)); the next may be well
                if not self.connections.close_oldest():
                    self._pause()
                    return
                continue
            sock.setblocking(False)  # noqa: FBT003 - the socket's own name for it
            Connection(self, sock, f"{peer[0]}:{peer[1]}").ready()

    def _pause(self) -> None:
        """Without descriptors an accept fails at once, again and again: look later."""
        poller = self.connections.poller
        poller.unwatch(self._sock.fileno())
        self._resume = poller.loop.call_later(_ACCEPT_AGAIN_S, self._watch)


class Connection:
    """Owns one accepted socket. Reads only while nothing waits to be sent."""

    __slots__ = ("_closing", "_conversation", "_output", "_sock", "_watched", "client", "listener")

    def __init__(self, listener: TcpListener, sock: socket.socket, client: str) -> None:
        self.listener = listener
        self.client = client
        self._sock = sock
        self._conversation: HttpConversation | None = None
        self._output = b""
        self._closing = False
        self._watched = 0

    def ready(self) -> None:
        """Go on: send what waits, else read and answer; close on any failure."""
        try:
            if self._output:
                self._send(b"")
            elif self._has_more_requests:
                self._converse(b"")
            else:
                self._receive()
        except BlockingIOError:
            self._watch(READ)
        except OSError:
            self.close()

    def close(self) -> None:
        """Close the socket; safe to call again."""
        if self._sock.fileno() < 0:
            return
        self.listener.connections.remove(self)
        self.listener.connections.poller.forget(self._sock.fileno())
        self._sock.close()

    def _receive(self) -> None:
        data = self._sock.recv(RECEIVE_BYTES)
        if self._watched:
            self.listener.connections.touch(self)
        if not data:
            self.close()
        elif self._closing:
            self._watch(READ)  # dropped: only the peer's end is waited for
        elif self._conversation is None and data == PROBE_REQUEST and not self.listener.text:
            # Everything was read, so this close sends no RST after the answer.
            self._finish(self.listener.site.probe_answer(self.client, self._address()))
        elif self.listener.text:
            answer = self.listener.site.command(data, self.client, self._address())
            self._finish(answer or b"")
        else:
            self._converse(data)

    def _converse(self, data: bytes) -> None:
        if self._conversation is None:
            from labkit.probe.http_server import HttpConversation

            self._conversation = HttpConversation(
                self.listener.site, client=self.client, address=self._address()
            )
        output = self._conversation.answer(data)
        self._closing = self._conversation.is_over
        self._send(output)

    def _finish(self, answer: bytes) -> None:
        """Send the last answer and close, at once if the socket takes all of it."""
        sent = self._sock.send(answer) if answer else 0
        if sent == len(answer):
            self.close()
        else:
            self._closing = True
            self._send(answer[sent:])

    def _send(self, more: bytes) -> None:
        self._output += more
        if self._output:
            with contextlib.suppress(BlockingIOError):
                self._output = self._output[self._sock.send(self._output) :]
        if self._output or self._has_more_requests:
            self._watch(WRITE)
        else:
            if self._closing:
                # A close with bytes unread would send RST, and the answer could be lost with it.
                self._sock.shutdown(socket.SHUT_WR)
            self._watch(READ)

    @property
    def _has_more_requests(self) -> bool:
        return self._conversation is not None and self._conversation.has_more

    def _address(self) -> str:
        host, port = self._sock.getsockname()[:2]
        return f"{host}:{port}"

    def _watch(self, events: int) -> None:
        if not self._watched:
            self.listener.connections.add(self)
            self.listener.connections.poller.watch(self._sock.fileno(), events, self.ready)
        elif self._watched != events:
            self.listener.connections.poller.change(self._sock.fileno(), events)
        self._watched = events
