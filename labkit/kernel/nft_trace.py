"""Traces packets through the rules of nf_tables, those of iptables-nft among them.

A table of labkit's own marks every packet that comes in or is sent, before any other rule; the
kernel then tells of each rule that such a packet meets. What rules do stays the same.

Source: nft(8), "meta nftrace" and "monitor trace"; linux/netfilter/nf_tables.h, enum
nft_trace_attributes; net/netfilter/nf_tables_trace.c, which sends the headers of a packet with the
first event of each base chain.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netfilter import (
    BATCH_BEGIN,
    BATCH_END,
    DELETE_TABLE,
    NESTED,
    NETLINK_NETFILTER,
    NEW_CHAIN,
    NEW_TABLE,
    SUBSYSTEM_NFTABLES,
)
from labkit.kernel.netlink import ACK, APPEND, CREATE, REQUEST, Request
from labkit.kernel.netns import Namespace
from labkit.kernel.rule_events import OWN_TABLE, Listener, RuleEvent

NEW_RULE, GET_RULE, TRACE = 6, 7, 17
ADD_MEMBERSHIP: Final = 1
NFTRACE_GROUP: Final = 9
ACCEPT, DROP = 1, 0
PREROUTING, OUTPUT = 0, 3
BEFORE_ALL: Final = -450
"""As early as anything that sees whole packets: NF_IP_PRI_CONNTRACK_DEFRAG is -400."""
META_NFTRACE: Final = 12
TYPE_MASK: Final = 0x3FFF
"""Without the bits that say nested, and in network byte order."""
FAMILIES: Final = {1: "inet ", 3: "arp ", 5: "netdev ", 7: "bridge "}
"""What stands before the name of a table of another family than ip: NFPROTO_INET and so on."""
RULE_EVENT, RETURN_EVENT, POLICY_EVENT = 3, 2, 1
(
    TABLE,
    CHAIN,
    HANDLE,
    KIND,
    VERDICT,
    PACKET,
    NETWORK,
    TRANSPORT,
    MARK,
    POLICY,
) = (1, 2, 3, 4, 5, 6, 8, 9, 14, 16)


class NftTracer:
    """Owns a netlink socket and labkit's own table in one namespace."""

    def __init__(self, namespace: Namespace) -> None:
        """Begin to trace.

        Raises:
            KernelError: the kernel has no nf_tables, or cannot trace.
        """
        self._where = namespace.name
        self._listener, self._control = namespace.run(_sockets)
        try:
            self._change(_marking_rules())
        except BaseException:
            self._listener.socket.close()
            self._control.close()
            raise

    @property
    def lost(self) -> bool:
        """Whether more was told than the socket could hold."""
        return self._listener.lost

    def events(self) -> list[RuleEvent]:
        """What was told since it was asked last, in order."""
        told = self._listener.messages(SUBSYSTEM_NFTABLES << 8 | TRACE)
        events = [_event(family, attributes) for family, attributes in told]
        return [event for event in events if event.table != OWN_TABLE]

    def close(self) -> None:
        """Take the table away and stop; safe to call again."""
        if self._listener.socket.fileno() < 0:
            return
        self._listener.socket.close()
        with suppress(KernelError):  # somebody has flushed all tables
            delete = _request("delete the table", DELETE_TABLE, 0, netlink.text(1, OWN_TABLE))
            self._change([delete])
        self._control.close()

    def _change(self, requests: Sequence[Request]) -> None:
        """Send requests as one transaction, from any thread: a socket stays in its namespace."""
        begin = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(SUBSYSTEM_NFTABLES))
        *others, last = requests
        batch = [
            Request("begin", BATCH_BEGIN, REQUEST, begin),
            *others,
            Request(last.what, last.type, last.flags | ACK, last.body),
            Request("end", BATCH_END, REQUEST, begin),
        ]
        self._control.send(
            b"".join(
                netlink.encode(each, number, acknowledge=False) for number, each in enumerate(batch)
            )
        )
        for number, code, reason in netlink.read_answers(self._control.recv(1 << 16)):
            if code:
                what = f"{self._where}: {batch[number].what}"
                raise KernelError(what, errno=code, message=reason or errno.errorcode[code])


def rule_handles(namespace: Namespace, table: str, chain: str) -> list[int]:
    """Return the handles of a chain's rules, in their order.

    Raises:
        KernelError: there is no such chain.
    """
    body = struct.pack("=BBH", socket.AF_INET, 0, 0)
    body += netlink.text(1, table) + netlink.text(2, chain)
    asked = Request(f"list chain {chain}", SUBSYSTEM_NFTABLES << 8 | GET_RULE, REQUEST, body)

    def act() -> list[bytes]:
        with netlink.open_netlink(NETLINK_NETFILTER) as sock:
            return netlink.dump(sock, asked, where=namespace.name)

    return [
        int.from_bytes(netlink.attributes(each[4:])[HANDLE], "big") for each in namespace.run(act)
    ]


def _sockets() -> tuple[Listener, socket.socket]:
    """One that is told of traced packets, and one to change rules with."""
    listener = Listener()
    # The kernel tells nobody who has its own port, which is 0 as long as a socket is not bound.
    listener.socket.bind((0, 0))
    listener.socket.setsockopt(netlink.SOL_NETLINK, ADD_MEMBERSHIP, NFTRACE_GROUP)
    return listener, netlink.open_netlink(NETLINK_NETFILTER)


def _marking_rules() -> list[Request]:
    """``meta nftrace set 1`` for what comes in and for what is sent."""
    table = netlink.text(1, OWN_TABLE)
    requests = [_request("add a table for traces", NEW_TABLE, CREATE, table)]
    for name, hook in (("received", PREROUTING), ("sent", OUTPUT)):
        place = netlink.attribute(4 | NESTED, _be32(1, hook) + _be32(2, BEFORE_ALL))
        chain = table + netlink.text(3, name) + place + netlink.text(7, "filter")
        requests.append(_request(f"add chain {name}", NEW_CHAIN, CREATE, chain))
        one = netlink.attribute(2 | NESTED, netlink.attribute(1, b"\x01"))
        load = _expression("immediate", _be32(1, 1) + one)
        store = _expression("meta", _be32(2, META_NFTRACE) + _be32(3, 1))
        rule = table + netlink.text(2, name) + netlink.attribute(4 | NESTED, load + store)
        requests.append(_request(f"trace what is {name}", NEW_RULE, CREATE | APPEND, rule))
    return requests


def _expression(name: str, data: bytes) -> bytes:
    return netlink.attribute(
        1 | NESTED, netlink.text(1, name) + netlink.attribute(2 | NESTED, data)
    )


def _request(what: str, command: int, flags: int, body: bytes) -> Request:
    header = struct.pack("=BBH", socket.AF_INET, 0, 0)
    return Request(what, SUBSYSTEM_NFTABLES << 8 | command, REQUEST | flags, header + body)


def _be32(kind: int, value: int) -> bytes:
    return netlink.attribute(kind, struct.pack("!i", value))


def _event(family: int, attributes: dict[int, bytes]) -> RuleEvent:
    found = {kind & TYPE_MASK: value for kind, value in attributes.items()}
    kind = _number(found, KIND)
    return RuleEvent(
        packet=_number(found, PACKET),
        table=FAMILIES.get(family, "") + _text(found, TABLE),
        chain=_text(found, CHAIN),
        # A rule that matched and said no more has a handle of 0 in old kernels' last event.
        rule=_number(found, HANDLE) if kind == RULE_EVENT else 0,
        drops=_verdict(found, kind) == DROP,
        mark=_number(found, MARK),
        header=found.get(NETWORK, b"") + found.get(TRANSPORT, b""),
    )


def _verdict(found: dict[int, bytes], kind: int) -> int:
    if kind == POLICY_EVENT:
        return _number(found, POLICY) if POLICY in found else ACCEPT
    nested = {k & TYPE_MASK: v for k, v in netlink.attributes(found.get(VERDICT, b"")).items()}
    return int.from_bytes(nested[1], "big", signed=True) if 1 in nested else ACCEPT


def _number(found: dict[int, bytes], kind: int) -> int:
    return int.from_bytes(found.get(kind, b""), "big")


def _text(found: dict[int, bytes], kind: int) -> str:
    return found.get(kind, b"").rstrip(b"\0").decode()
