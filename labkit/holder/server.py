"""Serves a lab's socket until the process is told to end.

Source: unix(7) SO_PEERCRED and SCM_RIGHTS.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Final

from labkit.errors import LabError, LabkitError, UsageError
from labkit.holder.holder import Holder
from labkit.holder.protocol import Answered, failure_of, line_of, read_line, request_from
from labkit.holder.turns import Asker

ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PATIENCE_S: Final = 10.0
"""How long one who has connected may take to ask, and to take the answer."""
NOISE_BYTES: Final = 4096
AGAIN_MS: Final = 50
"""So often what nobody waits for is told to end."""
CREDENTIALS: Final = struct.Struct("3i")
"""struct ucred: process, user and group (unix(7))."""


def serve(holder: Holder, listener: socket.socket) -> None:
    """Answer everybody who asks, each on a thread of its own; return at the first of `ENDING`."""
    with _ending_wakes() as wake:
        serve_until(holder, listener, wake)


def serve_until(holder: Holder, listener: socket.socket, wake: socket.socket) -> None:
    """The same until ``wake`` can be read from."""
    while True:
        ready, _, _ = select.select([listener, wake], [], [])
        if wake in ready:
            return
        connection, _address = listener.accept()
        threading.Thread(
            target=_converse, args=(holder, connection), name="labkit holder", daemon=True
        ).start()


def check_peer(connection: socket.socket) -> None:
    """Refuse other users, whatever the modes of directory and socket have become.

    Raises:
        UsageError: the other end is another user's.
    """
    size = CREDENTIALS.size
    _process, user, _group = CREDENTIALS.unpack(
        connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    if user != os.geteuid():
        raise UsageError("this lab is another user's; build your own with labkit up FILE")


def _converse(holder: Holder, connection: socket.socket) -> None:
    with closing(connection), suppress(OSError):  # who asked may be gone already
        connection.settimeout(PATIENCE_S)
        answer, descriptors = _answer(holder, connection, read_line(connection))
        try:
            _send(connection, line_of(answer), descriptors)
        finally:
            for each in descriptors:
                os.close(each)
        if descriptors:
            # A program in a host keeps its end open, and is hung up on when this one is closed:
            # that is when the process ends, not when the program writes where it should not.
            connection.settimeout(None)
            while connection.recv(NOISE_BYTES):
                pass


def _answer(
    holder: Holder, connection: socket.socket, line: bytes
) -> tuple[Answered, Sequence[int]]:
    try:
        check_peer(connection)
        asked, asker = request_from(line), Asker()
        with _leaves_if_hung_up(connection, lambda: holder.leave(asker)):
            return holder.answer(asked, asker)
    except LabkitError as error:
        return failure_of(error), ()
    except Exception as error:  # noqa: BLE001 - one request must not end a lab, nor be left open
        kind = type(error).__name__
        return failure_of(LabError(f"the holder of the lab failed: {kind}: {error}")), ()


@contextmanager
def _leaves_if_hung_up(connection: socket.socket, leave: Callable[[], None]) -> Iterator[None]:
    """Notice if the other end is closed while an answer is being made: Ctrl-C, kill -9."""
    done, tell = socket.socketpair()

    def watch() -> None:
        poll = select.poll()
        poll.register(connection, select.POLLRDHUP)
        poll.register(done, select.POLLIN)
        if done.fileno() in {descriptor for descriptor, _event in poll.poll()}:
            return
        poll.unregister(connection)
        leave()
        while not poll.poll(AGAIN_MS):  # it may have been between two things that can be ended
            leave()

    thread = threading.Thread(target=watch, name="labkit holder's ear", daemon=True)
    with done, tell:
        thread.start()
        try:
            yield
        finally:
            tell.send(b"!")
            thread.join()


def _send(connection: socket.socket, line: bytes, descriptors: Sequence[int]) -> None:
    if descriptors:
        # One message, far smaller than a socket's buffer: it is sent whole.
        socket.send_fds(connection, [line], descriptors)
    else:
        connection.sendall(line)


@contextmanager
def _ending_wakes() -> Iterator[socket.socket]:
    """A socket that can be read from once a signal of `ENDING` has come."""
    wake, alarm = socket.socketpair()
    with wake, alarm:
        alarm.settimeout(0)  # as signal.set_wakeup_fd asks for
        for number in ENDING:
            signal.signal(number, lambda *_: None)
        before = signal.set_wakeup_fd(alarm.fileno())
        try:
            yield wake
        finally:
            signal.set_wakeup_fd(before)
