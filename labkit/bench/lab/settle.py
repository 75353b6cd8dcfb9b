"""Waits until the kernel has taken down what was closed: it does so later, batch by batch.

Source: linux net/core/net_namespace.c, cleanup_net.
"""

from __future__ import annotations

import socket
from typing import Final

from labkit.kernel.netlink import DELLINK, HEADER, Veth, open_netlink, send
from labkit.kernel.netns import Edge, Namespace

RTMGRP_LINK: Final = 1


def settle(edge: Edge) -> None:
    """Return when every namespace that was closed before is gone.

    A namespace that is closed last takes a link with it whose other end is watched here. The
    second one is in a later batch, which the kernel begins when it is done with the first.
    """
    for _ in range(2):
        watcher, last = edge.namespace("watcher"), edge.namespace("last")
        with watcher.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as watch:
            watch.bind((0, RTMGRP_LINK))
            _add_link(last, Veth(name="link", namespace_fd=watcher.fd))
            last.close()
            while HEADER.unpack_from(watch.recv(1 << 16))[1] != DELLINK:
                pass
        watcher.close()


def _add_link(namespace: Namespace, link: Veth) -> None:
    """Make a veth pair."""

    def add() -> None:
        with open_netlink() as sock:
            send(sock, [link.request()], where=namespace.name)

    namespace.run(add)
