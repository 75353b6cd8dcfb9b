"""Socket options that Python has no words for.

Source: getsockopt(2), socket(7).
"""

from __future__ import annotations

import ctypes
import os
import socket
from typing import Final

from labkit.errors import KernelError

SO_SNDBUFFORCE: Final = 32
SO_RCVBUFFORCE: Final = 33


def size_buffers(sock: socket.socket, *, sending: int = 0, receiving: int = 0) -> None:
    """Let a socket hold so many bytes each way; 0 leaves it as it is.

    In a user namespace it is as many as net.core.wmem_max and rmem_max allow, at most.
    """
    for force, ask, size_bytes in (
        (SO_SNDBUFFORCE, socket.SO_SNDBUF, sending),
        (SO_RCVBUFFORCE, socket.SO_RCVBUF, receiving),
    ):
        if size_bytes:
            try:
                sock.setsockopt(socket.SOL_SOCKET, force, size_bytes)
            except PermissionError:
                sock.setsockopt(socket.SOL_SOCKET, ask, size_bytes)


def ask(sock: socket.socket, option: int, memory: bytearray, size_bytes: int, what: str) -> None:
    """Ask about IPv4: the beginning of ``memory`` holds the question and then the answer.

    `socket.getsockopt` takes no question, and no answer longer than 1,024 bytes.

    Raises:
        KernelError: the kernel refused; ``what`` says what was asked.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.c_uint32(size_bytes)
    there = ctypes.byref(ctypes.c_char.from_buffer(memory))
    if libc.getsockopt(sock.fileno(), socket.IPPROTO_IP, option, there, ctypes.byref(size)):
        code = ctypes.get_errno()
        raise KernelError(what, errno=code, message=os.strerror(code))
