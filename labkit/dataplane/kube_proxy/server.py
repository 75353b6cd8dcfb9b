"""The API server on sockets: one listener in each node's namespace, one store for all of them."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, cast

from labkit.cluster.model import Cluster
from labkit.dataplane.kube_proxy.conversation import ApiConversation
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.store import Store
from labkit.kernel.netns import Namespace

LOCALHOST: Final = "127.0.0.1"


class ApiServer:
    """Shows a cluster and every change of it; lives on the running asyncio loop."""

    def __init__(self) -> None:
        self._store = Store()
        self._listeners: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self.posted: list[Json] = []
        """Events that clients told, oldest first."""

    async def listen(self, namespace: Namespace) -> int:
        """Listen on 127.0.0.1 inside ``namespace``, whose loopback is up; return the port.

        Raises:
            OSError: no socket could be opened there.
        """
        listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.bind((LOCALHOST, 0))
            port: int = listener.getsockname()[1]
            loop = asyncio.get_running_loop()
            self._listeners.append(await loop.create_server(self._connection, sock=listener))
        except BaseException:
            listener.close()
            raise
        return port

    def show(self, cluster: Cluster) -> None:
        """Show this cluster from now on; open watches are told what changed."""
        self._store.show(cluster)
        for connection in tuple(self._connections):
            connection.tell()

    def close(self) -> None:
        """Close every listener and connection."""
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._connections):
            connection.abort()

    async def aclose(self) -> None:
        """Close, and give the transports the turn of the loop in which they close."""
        self.close()
        await asyncio.sleep(0)

    def _connection(self) -> asyncio.Protocol:
        return _Connection(ApiConversation(self._store), self._connections, self.posted)


class _Connection(asyncio.Protocol):
    """Moves bytes between a socket and a conversation."""

    def __init__(
        self, conversation: ApiConversation, others: set[_Connection], posted: list[Json]
    ) -> None:
        self._conversation = conversation
        self._others = others
        conversation.posted = posted
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._others.discard(self)
        self._stop_timer()

    def data_received(self, data: bytes) -> None:
        watched = self._conversation.watch
        self._send(self._conversation.receive(data))
        watch = self._conversation.watch
        if watch and watch is not watched and watch.timeout_s is not None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(watch.timeout_s, self._end_watch)

    def tell(self) -> None:
        """Send what the watch sees of the newest changes."""
        self._send(self._conversation.changed())

    def abort(self) -> None:
        """Close at once."""
        if self._transport:
            self._transport.abort()

    def _end_watch(self) -> None:
        self._send(self._conversation.end_watch())

    def _send(self, data: bytes) -> None:
        if self._transport is None:
            return
        if data:
            self._transport.write(data)
        if self._conversation.watch is None:
            self._stop_timer()
        if self._conversation.is_over:
            self._transport.close()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
