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


def answer(
    sock: socket.socket, option: int, question: bytes, size_bytes: int, what: str
) -> memoryview:
    """Return what the kernel answers to a question about IPv4, in a buffer that holds both.

    `socket.getsockopt` takes no question, and no answer longer than 1,024 bytes.

    Raises:
        KernelError: it refused; ``what`` says what was asked.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(question, size_bytes)
    size = ctypes.c_uint32(size_bytes)
    if libc.getsockopt(sock.fileno(), socket.IPPROTO_IP, option, buffer, ctypes.byref(size)):
        code = ctypes.get_errno()
        raise KernelError(what, errno=code, message=os.strerror(code))
    return memoryview(buffer).cast("B")
