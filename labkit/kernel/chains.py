"""Whether a chain is in a node's kernel: one question to the kernel, and no program is started.

Source: linux/netfilter/nf_tables.h, NFT_MSG_GETCHAIN; linux/netfilter_ipv4/ip_tables.h, struct
ipt_getinfo, struct ipt_get_entries and struct ipt_error_target, which holds a chain's name.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
from typing import Final, Protocol

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netfilter import NETLINK_NETFILTER, SUBSYSTEM_NFTABLES
from labkit.kernel.netlink import REQUEST, Request
from labkit.kernel.netns import Namespace

GET_CHAIN: Final = 4
TABLE, NAME = 1, 3
GET_INFO, GET_ENTRIES = 64, 65
INFO_SIZE: Final = 84
TABLE_NAME_SIZE: Final = 32
ENTRIES_SIZE: Final = struct.Struct(f"={INFO_SIZE - 4}xI")
"""Where the size of all entries stands in struct ipt_getinfo."""
HEAD: Final = struct.Struct(f"={TABLE_NAME_SIZE}sI4x")
"""struct ipt_get_entries without its entries, which are aligned to eight bytes."""


class Chains(Protocol):
    """The chains of one table of one node."""

    def has(self, chain: str) -> bool:
        """Whether a chain is there now.

        Raises:
            KernelError: the kernel does not say.
        """
        ...

    def close(self) -> None:
        """Let go of the namespace."""
        ...


class NftChains:
    """Chains of a table of nf_tables' family ip, which is also where iptables-nft keeps its own."""

    def __init__(self, namespace: Namespace, table: str) -> None:
        self._where = namespace.name
        self._table = table
        self._socket = namespace.run(lambda: netlink.open_netlink(NETLINK_NETFILTER))

    def has(self, chain: str) -> bool:
        """Whether a chain is there now."""
        header = struct.pack("=BBH", socket.AF_INET, 0, 0)
        body = header + netlink.text(TABLE, self._table) + netlink.text(NAME, chain)
        request = Request(
            f"look for chain {chain}", SUBSYSTEM_NFTABLES << 8 | GET_CHAIN, REQUEST, body
        )
        self._socket.send(netlink.encode(request, 1, acknowledge=False))
        for _, code, reason in netlink.read_answers(self._socket.recv(1 << 16)):
            if code == errno.ENOENT:
                return False
            if code:
                what = f"{self._where}: {request.what}"
                raise KernelError(what, errno=code, message=reason or os.strerror(code))
        return True

    def close(self) -> None:
        """Let go of the namespace."""
        self._socket.close()


class LegacyChains:
    """Chains of a table of the iptables that is older than nf_tables."""

    def __init__(self, namespace: Namespace, table: str) -> None:
        self._where = namespace.name
        self._table = table.encode()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._socket = namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def has(self, chain: str) -> bool:
        """Whether a chain is there now."""
        return chain.encode() + b"\0" in self._entries()

    def close(self) -> None:
        """Let go of the namespace."""
        self._socket.close()

    def _entries(self) -> bytes:
        while True:
            info = self._ask(GET_INFO, self._table.ljust(INFO_SIZE, b"\0"))
            (size,) = ENTRIES_SIZE.unpack(info)
            try:
                return self._ask(GET_ENTRIES, HEAD.pack(self._table, size) + bytes(size))
            except KernelError as error:
                # The table was replaced in between: its size is another now.
                if error.errno != errno.EAGAIN:
                    raise

    def _ask(self, option: int, question: bytes) -> bytes:
        """Ask with getsockopt(2), whose buffer holds the question and then the answer."""
        buffer = ctypes.create_string_buffer(question, len(question))
        length = ctypes.c_uint32(len(question))
        if self._libc.getsockopt(
            self._socket.fileno(), socket.IPPROTO_IP, option, buffer, ctypes.byref(length)
        ):
            code = ctypes.get_errno()
            what = f"{self._where}: read the table {self._table.decode()}"
            raise KernelError(what, errno=code, message=os.strerror(code))
        return buffer.raw
