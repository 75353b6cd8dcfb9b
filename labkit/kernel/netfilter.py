"""Two questions to netfilter that need no library: is nf_tables there, and count by this name.

Source: linux/netfilter/nfnetlink.h, nf_tables.h, nfnetlink_acct.h.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netlink import ACK, CREATE, REQUEST, Request
from labkit.kernel.netns import Namespace

NETLINK_NETFILTER: Final = 12
SUBSYSTEM_ACCT: Final = 7
SUBSYSTEM_NFTABLES: Final = 10
ACCT_NEW: Final = 0
NFTABLES_GETGEN: Final = 16
HEADER: Final = struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)


def ensure_nfacct(namespace: Namespace, names: Sequence[str]) -> None:
    """Make nfacct counters that are not there yet.

    Raises:
        KernelError: the kernel has no nfacct.
    """
    for name in names:
        body = HEADER + netlink.text(1, name)
        kind = SUBSYSTEM_ACCT << 8 | ACCT_NEW
        # Without NLM_F_EXCL the kernel still answers EBUSY for a counter that exists.
        request = Request(f"add nfacct counter {name}", kind, REQUEST | CREATE | ACK, body)
        try:
            _send(namespace, request)
        except KernelError as error:
            if error.errno not in (errno.EBUSY, errno.EEXIST):
                raise


def has_nf_tables(namespace: Namespace) -> bool:
    """Whether the kernel answers for nf_tables."""
    kind = SUBSYSTEM_NFTABLES << 8 | NFTABLES_GETGEN
    try:
        _send(namespace, Request("ask nf_tables for its generation", kind, REQUEST | ACK, HEADER))
    except (KernelError, OSError):
        return False
    return True


def _send(namespace: Namespace, request: Request) -> None:
    def act() -> None:
        with netlink.open_netlink(NETLINK_NETFILTER) as sock:
            netlink.send(sock, [request], where=namespace.name)

    namespace.run(act)
