"""Requests to netfilter that need no library: can iptables-nft work, who has changed the rules.

Source: linux/netfilter/nfnetlink.h, nf_tables.h, nf_tables_compat.h, nfnetlink_acct.h;
linux/netfilter_ipv4/ip_tables.h.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netlink, socket_options
from labkit.kernel.netlink import ACK, CREATE, REQUEST, Request
from labkit.kernel.netns import Namespace

NETLINK_NETFILTER: Final = 12
SUBSYSTEM_ACCT: Final = 7
SUBSYSTEM_NFTABLES: Final = 10
ACCT_NEW: Final = 0
SUBSYSTEM_NFT_COMPAT: Final = 11
BATCH_BEGIN, BATCH_END = 0x10, 0x11
NEW_TABLE, DELETE_TABLE, NEW_CHAIN, GET_GENERATION = 0, 2, 3, 16
NESTED: Final = 0x8000
POSTROUTING: Final = 4
SOURCE_NAT: Final = 100
IPT_SO_GET_INFO, IPT_INFO_BYTES = 64, 84
"""linux/netfilter_ipv4/ip_tables.h, struct ipt_getinfo."""
SCRATCH: Final = "labkit-try"
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
            send(namespace, request)
        except KernelError as error:
            if error.errno not in (errno.EBUSY, errno.EEXIST):
                raise


def generation(namespace: Namespace) -> int:
    """Return the number of the namespace's nf_tables rules; every change of them gives another.

    Raises:
        KernelError: the kernel has no nf_tables.
    """
    sock = conversation(namespace)

    def act() -> int:
        request = _nf_tables("ask for the generation of the rules", GET_GENERATION, 0, b"")
        sock.send(netlink.encode(request, 1, acknowledge=False))
        answer = sock.recv(1 << 16)
        for _, code, reason in netlink.read_answers(answer):
            if code:
                message = reason or os.strerror(code)
                raise KernelError(str(request.what), errno=code, message=message)
        found = netlink.attributes(answer[netlink.HEADER.size + len(HEADER) :])
        return int.from_bytes(found[1], "big")

    return namespace.run(act)


def conversation(namespace: Namespace) -> socket.socket:
    """The socket by which a namespace's nf_tables are asked and changed, without old answers.

    It stays open: when one is closed, the kernel waits until it has freed what the last change
    deleted, which takes it ten milliseconds (net/netfilter/nf_tables_api.c, nft_rcv_nl_event).
    """
    sock = namespace.keep("netfilter", lambda: netlink.open_netlink(NETLINK_NETFILTER))
    with suppress(BlockingIOError):
        # Somebody was interrupted before all was heard.
        while sock.recv(1 << 16, socket.MSG_DONTWAIT):
            pass
    return sock


def legacy_sizes(namespace: Namespace, tables: Sequence[str]) -> tuple[bytes, ...]:
    """Return where the rules of each table of the legacy iptables begin and end.

    Every rule that comes or goes makes another answer of it; only one that takes the place of
    another of its size does not. For a table that is there: to ask for it would make it.

    Raises:
        KernelError: a table is not there.
    """

    def ask(sock: socket.socket, table: str) -> bytes:
        what = f"{namespace.name}: look at the table {table}"
        memory = bytearray(table.encode().ljust(IPT_INFO_BYTES, b"\0"))
        socket_options.ask(sock, IPT_SO_GET_INFO, memory, IPT_INFO_BYTES, what)
        return bytes(memory)

    with namespace.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        return tuple(ask(sock, table) for table in tables)


def can_use_iptables_nft(namespace: Namespace) -> bool:
    """Whether the kernel has what iptables-nft needs: nf_tables for IPv4, and its use of xtables.

    Both are really asked for. Nothing is left behind: what the batch adds, it deletes. (One that
    is made to fail would cost 8 ms: the kernel waits for a grace period before it takes back.)
    """
    sock = conversation(namespace)
    return namespace.run(lambda: _takes_a_nat_chain(sock) and _uses_xtables(sock))


def _takes_a_nat_chain(sock: socket.socket) -> bool:
    table = netlink.text(1, SCRATCH)
    hook = netlink.attribute(4 | NESTED, _be32(1, POSTROUTING) + _be32(2, SOURCE_NAT))
    chain = table + netlink.text(3, SCRATCH) + hook + netlink.text(7, "nat")
    begin = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(SUBSYSTEM_NFTABLES))
    messages = (
        Request("begin", BATCH_BEGIN, REQUEST, begin),
        _nf_tables("add a table", NEW_TABLE, CREATE | ACK, table),
        _nf_tables("add a chain", NEW_CHAIN, CREATE | ACK, chain),
        _nf_tables("delete the table", DELETE_TABLE, ACK, table),
        Request("end", BATCH_END, REQUEST, begin),
    )
    sock.send(b"".join(netlink.encode(m, n, acknowledge=False) for n, m in enumerate(messages, 1)))
    answers: dict[int, int] = {}
    while 4 not in answers and not any(answers.values()):  # noqa: PLR2004 - the fourth message
        answers.update((n, code) for n, code, _ in netlink.read_answers(sock.recv(1 << 16)))
    return not any(answers.values())


def _uses_xtables(sock: socket.socket) -> bool:
    """Whether nft_compat answers for the match that every rule of kube-proxy's has."""
    header = struct.pack("=BBH", socket.AF_INET, 0, 0)
    body = header + netlink.text(1, "comment") + _be32(2, 0) + _be32(3, 0)
    kind = SUBSYSTEM_NFT_COMPAT << 8
    sock.send(netlink.encode(Request("ask for comment", kind, REQUEST, body), 1, acknowledge=False))
    return not any(code for _, code, _ in netlink.read_answers(sock.recv(1 << 16)))


def _nf_tables(what: str, command: int, flags: int, body: bytes) -> Request:
    header = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return Request(what, SUBSYSTEM_NFTABLES << 8 | command, REQUEST | flags, header + body)


def _be32(kind: int, value: int) -> bytes:
    return netlink.attribute(kind, struct.pack("!i", value))


def send(namespace: Namespace, request: Request) -> None:
    """Send one request inside a namespace.

    Raises:
        KernelError: the kernel refused.
    """
    sock = conversation(namespace)
    namespace.run(lambda: netlink.send(sock, [request], where=namespace.name))
