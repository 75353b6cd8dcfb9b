"""Waits until links carry packets: the kernel needs a moment after it has been told "up".

A veth whose other end comes up is told by the kernel's link watch, a work queue. Until that has
run, the link drops what it should send and its bridge port is off; a lost ARP request or SYN costs
a second each.

Source: rtnetlink(7); net/core/link_watch.c linkwatch_do_dev, net/bridge/br_if.c
br_port_carrier_check; linux/if_link.h.
"""

from __future__ import annotations

import errno
import select
import socket
import time
from collections.abc import Iterator
from typing import Final

from labkit.errors import LabError
from labkit.kernel.netlink import HEADER, IFINFO, NEWLINK, REQUEST, attributes, number
from labkit.kernel.netns import Namespace

GETLINK: Final = 18
DUMP: Final = 0x300
DONE: Final = 3
LINK, OPERSTATE, EXT_MASK = 5, 16, 29
"""IFLA_LINK is there for what has another end, as a veth has."""
SKIP_STATS: Final = 8
"""RTEXT_FILTER_SKIP_STATS: counters would be most of the answer."""
IF_OPER_UP: Final = b"\x06"
RTMGRP_LINK: Final = 1
DEADLINE_S: Final = 10.0
ASK: Final = IFINFO.pack(0, 0, 0, 0, 0) + number(EXT_MASK, SKIP_STATS)


def wait_for_carrier(namespace: Namespace) -> None:
    """Return once every veth end in a namespace carries packets.

    Bridges are not asked: they carry packets before their state says so, up to a second later.

    Raises:
        LabError: they do not after seconds: another end is down.
    """
    namespace.run(lambda: _wait(namespace.name))


def _wait(where: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    with _open() as watch, _open() as sock:
        watch.bind((0, RTMGRP_LINK))
        # poll and not select, which takes no descriptor above 1023: a large lab has more open.
        news = select.poll()
        news.register(watch, select.POLLIN)
        while not all(list(_dump(sock))):
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"{where}: links have no carrier after {DEADLINE_S:.0f} s")
            news.poll(left * 1000)
            _drain(watch)


def _open() -> socket.socket:
    return socket.socket(
        socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
    )


def _drain(watch: socket.socket) -> None:
    """Forget changes that were told: the next question shows what they led to."""
    try:
        while watch.recv(1 << 16, socket.MSG_DONTWAIT):
            pass
    except OSError as error:
        # More changes than the buffer takes are changes too.
        if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
            raise


def _dump(sock: socket.socket) -> Iterator[bool]:
    """Yield for each end of a veth whether it carries packets."""
    sock.send(HEADER.pack(HEADER.size + len(ASK), GETLINK, REQUEST | DUMP, 0, 0) + ASK)
    done = False
    while not done:
        data = sock.recv(1 << 16)
        offset = 0
        while offset < len(data):
            length, kind, _, _, _ = HEADER.unpack_from(data, offset)
            done = done or kind == DONE
            if kind == NEWLINK:
                found = attributes(data[offset + HEADER.size + IFINFO.size : offset + length])
                if LINK in found:
                    yield found.get(OPERSTATE) == IF_OPER_UP
            offset += length + (-length % 4)
