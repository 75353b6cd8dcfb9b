"""``labkit exec``: this process becomes a program in a host of a lab that stays.

The holder hands over the host's namespaces and is asked for nothing else: the program has the
caller's own terminal, standard streams and exit status. All that is imported here is paid by
every `labkit exec`.

Source: unix(7) SCM_RIGHTS; fcntl(2) F_SETOWN and F_SETSIG.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
from contextlib import suppress

from labkit.errors import LabError
from labkit.holder.state import open_folder
from labkit.kernel.join import become, join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Final, NoReturn

VERSION: Final = 2
"""Of the protocol: another number for every change of a message."""
NAMESPACES: Final = 3
BUFFER_BYTES: Final = 1 << 16
DEADLINE_S: Final = 30.0
"""How long the holder may take: it may be making the host's mount namespace."""


def run_in(lab: str, host: str, argv: Sequence[str], *, group: bool = False) -> NoReturn:
    """Replace this process by a program in a host of a lab.

    When the lab ends, however it ends, the program gets SIGHUP, as if its terminal were gone; with
    ``group``, all of this process' group gets it.

    Raises:
        UsageError: there is no such lab, host or program.
        LabError: the holder does not answer.
        KernelError: the kernel refused.
    """
    with open_folder() as folder:
        connection = folder.connect(lab)
    net, mounts, user = descriptors = _ask(connection, lab, host)
    join(net=net, mounts=mounts, user=user)
    for each in descriptors:  # socket.recv_fds of Python 3.11 takes no MSG_CMSG_CLOEXEC
        os.close(each)
    _hang_up_with(connection, lab, -os.getpgrp() if group else os.getpid())
    become(argv)


def asked_for(words: Sequence[str]) -> tuple[str, str, Sequence[str]] | None:
    """Return lab, host and command of ``NAME HOST [--] CMD...``; None if it is not all of that."""
    lab, host, *argv = (*words, "", "")[: max(len(words), 2)]
    if argv[:1] == ["--"]:
        del argv[0]
    if not (lab and host and argv) or lab.startswith("-") or host.startswith("-"):
        return None
    return lab, host, argv


def _ask(connection: socket.socket, lab: str, host: str) -> Sequence[int]:
    request = {"do": "enter", "version": VERSION, "host": host}
    connection.settimeout(DEADLINE_S)
    try:
        connection.sendall(json.dumps(request).encode() + b"\n")
        line, descriptors, _flags, _address = socket.recv_fds(connection, BUFFER_BYTES, NAMESPACES)
        if len(descriptors) == NAMESPACES:
            return descriptors
        while line and not line.endswith(b"\n"):
            if not (more := connection.recv(BUFFER_BYTES)):
                break
            line += more
    except OSError as error:
        raise no_answer(lab, error) from error
    from labkit.holder.protocol import Failure, answer_from, error_of

    if not line:
        raise no_answer(lab)
    answer = answer_from(line)
    if isinstance(answer, Failure):
        raise error_of(answer)
    raise LabError(f"lab {lab} gave no namespaces of {host}")


def no_answer(lab: str, error: OSError | None = None) -> LabError:
    """The error for a holder that says nothing."""
    why = f": {error.strerror or error}" if error else ", it ended just now"
    return LabError(f"lab {lab} does not answer{why}; end it with labkit down {lab}")


def _hang_up_with(connection: socket.socket, lab: str, owner: int) -> None:
    """Have the kernel send a process, or a group if negative, SIGHUP when the holder ends."""
    connection.settimeout(0)
    descriptor = connection.fileno()
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, owner)
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGHUP)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
    with suppress(BlockingIOError):
        if not connection.recv(1, socket.MSG_PEEK):  # it ended before it was asked for a signal
            raise no_answer(lab)
    fcntl.fcntl(connection.detach(), fcntl.F_SETFD, 0)  # open in the program, too
