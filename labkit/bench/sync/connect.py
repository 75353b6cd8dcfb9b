"""How long the first packets of a connection take: connect(2), one after the other."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address
from typing import Final

from labkit.bench.figures import percentile
from labkit.kernel.netns import Namespace

BACKLOG: Final = 4096
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""struct linger: close(2) sends RST, so that no port waits (socket(7))."""


@contextmanager
def listening(namespaces: Sequence[Namespace], port: int) -> Iterator[None]:
    """Have hosts complete handshakes. Nobody accepts, so no other thread takes turns."""
    with ExitStack() as stack:
        for namespace in namespaces:
            listener = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
            stack.callback(listener.close)
            listener.bind(("", port))
            listener.listen(BACKLOG)
        yield


def connect_s(source: Namespace, address: IPv4Address, port: int, times: int) -> float:
    """Return the median of what connecting takes, in seconds.

    Raises:
        OSError: it is refused, or nobody answers.
    """
    target = (str(address), port)
    taken: list[float] = []
    for sock in source.sockets(times, socket.AF_INET, socket.SOCK_STREAM):
        with sock:
            sock.settimeout(None)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            began = time.perf_counter()
            sock.connect(target)
            taken.append(time.perf_counter() - began)
    return percentile(taken, 0.5)
