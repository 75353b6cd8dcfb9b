"""Socket options whose answer is longer than `socket.getsockopt` takes, or asks about something.

Source: getsockopt(2).
"""

from __future__ import annotations

import ctypes
import os
import socket

from labkit.errors import KernelError


def answer(
    sock: socket.socket, option: int, question: bytes, size_bytes: int, what: str
) -> memoryview:
    """Return what the kernel answers to a question about IPv4, in a buffer that holds both.

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
