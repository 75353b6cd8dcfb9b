"""Generic netlink: kernel subsystems that are known by name and numbered when they are loaded.

Source: linux/genetlink.h; genl(7) of libnl.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netlink import HEADER, REQUEST, Request

NETLINK_GENERIC: Final = 16
CONTROL: Final = 16
CONTROL_HEADER: Final = struct.Struct("=BBH")
GET_FAMILY: Final = CONTROL_HEADER.pack(3, 1, 0)
FAMILY_ID, FAMILY_NAME = 1, 2


def family(sock: socket.socket, name: str) -> int | None:
    """Return the number of a subsystem on a generic netlink socket; None if there is none.

    Asking makes the kernel load the subsystem's module, where it can.

    Raises:
        KernelError: the kernel refused to say.
    """
    body = GET_FAMILY + netlink.text(FAMILY_NAME, name)
    request = Request(f"ask for {name}", CONTROL, REQUEST, body)
    sock.send(netlink.encode(request, 1, acknowledge=False))
    answer = sock.recv(1 << 16)
    for _, error, reason in netlink.read_answers(answer):
        if error == errno.ENOENT:
            return None
        if error:
            raise KernelError(str(request.what), errno=error, message=reason or os.strerror(error))
    found = netlink.attributes(answer[HEADER.size + CONTROL_HEADER.size :])
    return int.from_bytes(found[FAMILY_ID], "little")
