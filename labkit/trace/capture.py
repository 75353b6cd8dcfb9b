"""Captures the packets of one namespace while something happens, and says who replied to a probe.

Source: packet(7).
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections import deque
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Protocol
from labkit.kernel.netns import Namespace
from labkit.kernel.socket_options import size_buffers
from labkit.probe.flow import Flow
from labkit.trace.packet import (
    PORT_UNREACHABLE,
    SCTP,
    TCP,
    UDP,
    Direction,
    Packet,
    TcpFlags,
    read_packet,
)

MAX_PACKETS: Final = 20_000
"""A capture keeps the last so many packets: some 10 MB."""
SNAPSHOT_BYTES: Final = 256
"""Bytes read of each packet: all headers, and those that an ICMP error quotes."""
BUFFER_BYTES: Final = 8 * 1024 * 1024
_PACKETS_A_TURN: Final = 256
_ETH_P_ALL: Final = 0x0003
_ETH_P_IP: Final = 0x0800
_PACKET_OTHERHOST: Final = 3
_PACKET_OUTGOING: Final = 4
_SOL_PACKET: Final = 263
_PACKET_STATISTICS: Final = 6
_SO_TIMESTAMPNS: Final = 35
_TIMESPEC: Final = struct.Struct("@ll")
_STATISTICS: Final = struct.Struct("@II")
NUMBERS: Final = {Protocol.TCP: TCP, Protocol.UDP: UDP, Protocol.SCTP: SCTP}


class Capture:
    """Owns one packet socket: every IPv4 packet on every interface of a namespace."""

    def __init__(
        self,
        namespace: Namespace,
        loop: asyncio.AbstractEventLoop,
        *,
        limit: int = MAX_PACKETS,
        snapshot_bytes: int = SNAPSHOT_BYTES,
    ) -> None:
        """Begin to capture.

        Args:
            namespace: where.
            loop: the caller's; it reads what comes.
            limit: how many packets to keep.
            snapshot_bytes: how much of each to read; what is read is kept, see `take`.
        """
        self._loop = loop
        self._snapshot_bytes = snapshot_bytes
        self._kept: deque[tuple[Packet, bytes]] = deque(maxlen=limit)
        self._seen = 0
        self._lost = 0
        self._stopped = False
        self._sock = namespace.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(_ETH_P_ALL)
        )
        try:
            self._prepare()
        except BaseException:
            self._sock.close()
            raise
        loop.add_reader(self._sock.fileno(), self._read)

    @property
    def packets(self) -> tuple[Packet, ...]:
        """What was captured, in order."""
        return tuple(packet for packet, _ in self._kept)

    def take(self) -> list[tuple[Packet, bytes]]:
        """Return what was captured up to now, from the IPv4 header on, and forget it."""
        while self._read():
            pass
        self._count_losses()
        taken = list(self._kept)
        self._seen -= len(taken)
        self._kept.clear()
        return taken

    @property
    def dropped(self) -> int:
        """Packets that are missing: the oldest ones beyond the limit, or lost by the kernel."""
        return self._seen - len(self._kept) + self._lost

    def close(self) -> None:
        """Take what the kernel has captured up to now and stop; safe to call again."""
        self.stop()
        self._sock.close()

    def stop(self) -> None:
        """The same, but for the socket itself: to close it takes the kernel 10 ms, in any thread.

        The kernel waits for a grace period (net/packet/af_packet.c, packet_release), and does so
        once for all sockets that are closed at the same time.
        """
        if self._sock.fileno() < 0 or self._stopped:
            return
        self._stopped = True
        self._loop.remove_reader(self._sock.fileno())
        # Whoever had an answer finds its packets here: the kernel queues a copy before it delivers.
        while self._read():
            pass
        self._count_losses()

    def _count_losses(self) -> None:
        """Ask the kernel what it could not queue since it was asked last: asking sets it to 0."""
        with suppress(OSError):
            data = self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
            self._lost += _STATISTICS.unpack(data)[1]

    def _prepare(self) -> None:
        size_buffers(self._sock, receiving=BUFFER_BYTES)
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def _read(self) -> bool:
        """Take a turn's worth of packets; False if no more are waiting."""
        for _ in range(_PACKETS_A_TURN):
            try:
                data, control, _flags, origin = self._sock.recvmsg(
                    self._snapshot_bytes, socket.CMSG_SPACE(_TIMESPEC.size)
                )
            except BlockingIOError:
                return False
            except OSError:
                continue  # an interface went down (ENETDOWN); said once
            self._take(data, control, origin)
        return True

    def _take(
        self,
        data: bytes,
        control: Iterable[tuple[int, int, bytes]],
        origin: tuple[str, int, int, int, bytes],
    ) -> None:
        interface, protocol, kind = origin[:3]
        # A frame for another host got here because a switch did not know that host yet.
        if protocol != _ETH_P_IP or kind == _PACKET_OTHERHOST:
            return
        packet = read_packet(
            data,
            direction=Direction.OUT if kind == _PACKET_OUTGOING else Direction.IN,
            time_ns=_time_of(control),
            interface=interface,
        )
        if packet is not None:
            self._seen += 1
            self._kept.append((packet, data))


@asynccontextmanager
async def capture(namespace: Namespace, *, limit: int = MAX_PACKETS) -> AsyncIterator[Capture]:
    """Capture in a namespace for the time of a ``with`` block; the packets are there after it."""
    running = Capture(namespace, asyncio.get_running_loop(), limit=limit)
    try:
        yield running
    finally:
        running.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Who replied to a flow's probes, as the source's own interfaces saw it."""

    addresses: tuple[IPv4Address, ...] = ()
    """Whose address SYN-ACKs (datagrams, for UDP) carried that came to the source's ports."""
    strangers: tuple[IPv4Address, ...] = ()
    """Those of them that the source had not asked."""
    source_answers: str | None = None
    """What the source's kernel sent to a stranger: ``RST``, ``port-unreachable``, or nothing."""


def stranger_replies(
    packets: Sequence[Packet], flow: Flow, source_ports: Collection[int] | None = None
) -> Replies:
    """Say from whose address replies to a flow came, and what the source did about strangers.

    A reply whose source address was not translated back (no SNAT on its way) belongs to no
    connection of the source's, so its kernel answers RST: the probe sees silence.

    Args:
        packets: a capture in the source's namespace.
        flow: what the source asked.
        source_ports: of the probes; None to take every port that asked the flow's address.
    """
    number = NUMBERS[flow.protocol]
    mine = [packet for packet in packets if packet.protocol == number]
    asked = (flow.address, flow.dport)
    if source_ports is None:
        source_ports = {
            packet.sport
            for packet in mine
            if packet.direction is Direction.OUT and (packet.destination, packet.dport) == asked
        }
    replies = {
        (packet.source, packet.sport)
        for packet in mine
        if packet.direction is Direction.IN
        and packet.dport in source_ports
        and (packet.is_syn_ack or number != TCP)
    }
    strangers = replies - {asked}
    return Replies(
        addresses=tuple(sorted({address for address, _port in replies})),
        strangers=tuple(sorted({address for address, _port in strangers})),
        source_answers=_answer_to(strangers, packets, source_ports),
    )


def _answer_to(
    strangers: Collection[tuple[IPv4Address, int]],
    packets: Iterable[Packet],
    source_ports: Collection[int],
) -> str | None:
    for packet in packets:
        if packet.direction is not Direction.OUT:
            continue
        reset = packet.protocol == TCP and TcpFlags.RST in packet.flags
        if reset and packet.sport in source_ports:
            if (packet.destination, packet.dport) in strangers:
                return "RST"
        elif packet.icmp == PORT_UNREACHABLE and packet.quoted is not None:
            about = packet.quoted
            if about.dport in source_ports and (about.source, about.sport) in strangers:
                return "port-unreachable"
    return None


def _time_of(control: Iterable[tuple[int, int, bytes]]) -> int:
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data[: _TIMESPEC.size])
            return int(seconds) * 10**9 + int(nanoseconds)
    return time.clock_gettime_ns(time.CLOCK_REALTIME)
