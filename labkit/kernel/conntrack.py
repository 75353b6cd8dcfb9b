"""Reads a namespace's flows from conntrack, and forgets some of them.

Source: conntrack(8); linux/netfilter/nfnetlink_conntrack.h, spoken by pyroute2.
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.errors import KernelError
from labkit.kernel import netfilter
from labkit.kernel.netlink import ACK, REQUEST, Request
from labkit.kernel.netns import Namespace

SUBSYSTEM_CONNTRACK: Final = 1
DELETE: Final = 2
FLUSH: Final = SUBSYSTEM_CONNTRACK << 8 | DELETE
"""Without a tuple it deletes every flow."""

TUPLE: Final = re.compile(r"src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)")
"""One direction of a flow, as conntrack(8) prints it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedFlow:
    """One flow as conntrack has it: whom its first packet went to, and who answers in truth."""

    source: IPv4Address
    sport: int
    destination: IPv4Address
    dport: int
    reply_source: IPv4Address
    reply_sport: int
    reply_destination: IPv4Address
    reply_dport: int


def udp_flows(namespace: Namespace) -> tuple[TrackedFlow, ...]:
    """Every IPv4 UDP flow that the namespace knows.

    Raises:
        KernelError: the kernel does not tell.
    """
    return namespace.run(lambda: _udp_flows(namespace.name))


def flows_from(namespace: Namespace, ports: Collection[int]) -> tuple[TrackedFlow, ...]:
    """Every IPv4 flow that the namespace knows which comes from one of these source ports.

    By conntrack(8): a table of thousands takes pyroute2 seconds.

    Raises:
        CommandError: the tool failed.
    """
    listed = namespace.execute(["conntrack", "-L", "-f", "ipv4"])
    found = (TUPLE.findall(line) for line in listed.splitlines())
    return tuple(_flow_of(both) for both in found if both and int(both[0][2]) in ports)


def _flow_of(tuples: Sequence[tuple[str, str, str, str]]) -> TrackedFlow:
    (source, destination, sport, dport), (answers, asked, reply_sport, reply_dport) = tuples
    return TrackedFlow(
        source=IPv4Address(source),
        sport=int(sport),
        destination=IPv4Address(destination),
        dport=int(dport),
        reply_source=IPv4Address(answers),
        reply_sport=int(reply_sport),
        reply_destination=IPv4Address(asked),
        reply_dport=int(reply_dport),
    )


def forget_udp_flows(namespace: Namespace, flows: Collection[TrackedFlow]) -> None:
    """Delete flows, so that their next packet meets the rules again; one that is gone is fine.

    Raises:
        KernelError: the kernel refused.
    """
    if flows:
        namespace.run(lambda: _forget(namespace.name, flows))


def forget_everything(namespace: Namespace) -> None:
    """Delete every flow that the namespace knows, in one message.

    Raises:
        KernelError: the kernel refused.
    """
    netfilter.send(namespace, Request("forget all flows", FLUSH, REQUEST | ACK, netfilter.HEADER))


# pyroute2's sockets belong to the thread that opens them: each is opened and closed inside one
# visit to the namespace. It costs 0.1 s to import, so only a lab with something to forget does.


def _udp_flows(where: str) -> tuple[TrackedFlow, ...]:
    from pyroute2 import Conntrack
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with Conntrack() as conntrack:
            entries = list(conntrack.dump_entries())
    except NetlinkError as error:
        raise KernelError(
            f"{where}: list conntrack", errno=error.code, message=str(error)
        ) from error
    return tuple(
        TrackedFlow(
            source=IPv4Address(entry.tuple_orig.saddr),
            sport=int(entry.tuple_orig.sport),
            destination=IPv4Address(entry.tuple_orig.daddr),
            dport=int(entry.tuple_orig.dport),
            reply_source=IPv4Address(entry.tuple_reply.saddr),
            reply_sport=int(entry.tuple_reply.sport),
            reply_destination=IPv4Address(entry.tuple_reply.daddr),
            reply_dport=int(entry.tuple_reply.dport),
        )
        for entry in entries
        if entry.tuple_orig.proto == socket.IPPROTO_UDP
        and entry.tuple_orig.family == socket.AF_INET
    )


def _forget(where: str, flows: Collection[TrackedFlow]) -> None:
    from pyroute2 import Conntrack
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

    with Conntrack() as conntrack:
        for flow in flows:
            original = NFCTAttrTuple(
                saddr=str(flow.source),
                daddr=str(flow.destination),
                proto=socket.IPPROTO_UDP,
                sport=flow.sport,
                dport=flow.dport,
            )
            try:
                conntrack.entry("del", tuple_orig=original)
            except NetlinkError as error:
                if error.code != errno.ENOENT:
                    what = f"{where}: forget {flow}"
                    raise KernelError(what, errno=error.code, message=str(error)) from error
