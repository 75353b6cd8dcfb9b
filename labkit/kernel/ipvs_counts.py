"""How much of IPVS mode a namespace holds, asked in a few system calls however much that is.

IPVS and ipset do not number their changes, as nf_tables does, and to read all that they hold takes
0.2 s with ten thousand Services. They do count: the real servers of each virtual one, the elements
of each set. So do the kernel's routes, of which each address is one.

Source: linux/ip_vs.h, IP_VS_SO_GET_INFO and IP_VS_SO_GET_SERVICES; linux/netfilter/ipset/ip_set.h,
IPSET_FLAG_LIST_HEADER; linux net/ipv4/fib_trie.c, fib_triestat_seq_show.
"""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Final, NamedTuple

from labkit.kernel import ipset, netfilter, socket_options
from labkit.kernel.netns import Namespace

GET_INFO: Final = 64 + 1024 + 64 + 1
GET_SERVICES: Final = GET_INFO + 1
INFO: Final = struct.Struct("=III")
"""Version, size of the table of connections, number of virtual servers."""
HEAD: Final = struct.Struct("=I4x")
ENTRY_WORDS: Final = 13
"""Length of a virtual server in the kernel's answer, in words of eight bytes."""
REAL_SERVERS: Final = 5
"""Which of the words has the number of its real servers, behind a netmask."""
ROUTES: Final = Path("/proc/thread-self/net/fib_triestat")
"""thread-self: /proc/net is that of the main thread."""
LOOKED_AT: Final = 1000
"""So many virtual servers are asked for their real ones; to walk by all of ten thousand takes the
kernel two milliseconds, a quarter of what a change costs."""


class Counts(NamedTuple):
    """What is another once anything has come or gone.

    Not if it took the place of something else of its kind: a virtual server with as many real ones,
    a real server of the same virtual one, an element of the same set, an address. Nor if it is a
    real server and there are more than a thousand virtual ones before its own.
    """

    servers: int
    """How many virtual ones there are."""
    real_servers: bytes
    """How many each of the first thousand has, in the kernel's order."""
    ipsets: frozenset[bytes]
    """The header of each set, with the number of its elements."""
    routes: str
    """How many there are; one leads to each address."""


def counts(namespace: Namespace) -> Counts:
    """Count what a namespace holds.

    Raises:
        KernelError: the kernel has no IPVS or no ipset.
    """

    def act() -> Counts:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            servers = _servers(raw, namespace.name)
        routes = ROUTES.read_text()
        headers = ipset.headers(netfilter.conversation(namespace), where=namespace.name)
        return Counts(*servers, frozenset(headers), routes)

    return namespace.run(act)


def _servers(raw: socket.socket, where: str) -> tuple[int, bytes]:
    what = f"{where}: count the virtual servers"
    info = bytearray(INFO.size)
    socket_options.ask(raw, GET_INFO, info, INFO.size, what)
    _, _, number = INFO.unpack(info)
    asked = min(number, LOOKED_AT)
    size = HEAD.size + 8 * ENTRY_WORDS * asked
    listed = bytearray(size)
    HEAD.pack_into(listed, 0, asked)
    socket_options.ask(raw, GET_SERVICES, listed, size, what)
    words = memoryview(listed)[HEAD.size :].cast("Q")
    return number, words[REAL_SERVERS::ENTRY_WORDS].tobytes()
