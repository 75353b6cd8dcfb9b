"""Many sockets behind one event of the asyncio loop.

An epoll descriptor is itself readable when one of its sockets is ready. The loop watches that one
descriptor, and each turn hands all ready sockets to their callbacks without a loop handle, a future
or a task for each: this is what makes thousands of probes a second possible in one process.
Source: epoll(7), "nesting".
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
EVENTS_A_TURN: Final = 256
"""Callbacks in one turn of the loop, so that timers and others get their turn, too."""


class Poller:
    """Owns one epoll descriptor. A callback must not believe the event: it tries, and may fail.

    (A descriptor can be closed and its number used again between the event and the callback.)
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        loop.add_reader(self._epoll.fileno(), self._dispatch)

    def watch(self, fd: int, events: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` in each turn in which ``fd`` is ready for ``events`` or has failed."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = callback

    def change(self, fd: int, events: int) -> None:
        """Wait for other events of a watched descriptor."""
        self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Stop calling back for ``fd``; the caller closes it, which ends the kernel's watch."""
        self._callbacks.pop(fd, None)

    def unwatch(self, fd: int) -> None:
        """Stop watching ``fd``, which stays open."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def close(self) -> None:
        """Stop watching everything."""
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
        self._callbacks.clear()

    def _dispatch(self) -> None:
        for fd, _events in self._epoll.poll(0, EVENTS_A_TURN):
            callback = self._callbacks.get(fd)
            if callback is None:
                continue
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - one broken conversation stops no other
                self.unwatch(fd)
                self.loop.call_exception_handler(
                    {"message": f"callback of descriptor {fd} failed", "exception": error}
                )
