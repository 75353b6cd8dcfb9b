"""A captured packet as data, read from its IPv4, TCP, UDP and ICMP headers. Pure.

Source: RFC 791, RFC 9293, RFC 768, RFC 792; packet(7) for the direction.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Flag, StrEnum
from ipaddress import IPv4Address
from typing import Final

ICMP: Final = 1
TCP: Final = 6
UDP: Final = 17
SCTP: Final = 132
_IPV4: Final = struct.Struct("!BBHHHBBH4s4s")
_PORTS: Final = struct.Struct("!HH")
_TCP_FLAGS_AT: Final = 13
_ICMP_INNER_AT: Final = 8
_WITH_PORTS: Final = frozenset({TCP, UDP, SCTP})
_ICMP_ERRORS: Final = frozenset({3, 11, 12})
"""Destination unreachable, time exceeded, parameter problem: they quote what they are about."""
PORT_UNREACHABLE: Final = (3, 3)


class Direction(StrEnum):
    """Which way a packet crossed the interface, as the host sees it."""

    IN = "in"
    OUT = "out"


class TcpFlags(Flag):
    """Control bits of a TCP header."""

    FIN = 0x01
    SYN = 0x02
    RST = 0x04
    PSH = 0x08
    ACK = 0x10
    URG = 0x20


NO_FLAGS: Final = TcpFlags(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One IPv4 packet as it crossed one interface; ports are 0 where it has none."""

    direction: Direction
    time_s: float
    """Seconds of the kernel's wall clock."""
    interface: str
    source: IPv4Address
    destination: IPv4Address
    protocol: int
    """The IPv4 header's protocol number."""
    sport: int = 0
    dport: int = 0
    flags: TcpFlags = NO_FLAGS
    ttl: int = 0
    length: int = 0
    """Bytes of the whole packet, by its header."""
    icmp: tuple[int, int] | None = None
    """Type and code of an ICMP message."""
    quoted: Packet | None = field(default=None, repr=False)
    """The packet that an ICMP error is about, as far as it is quoted."""

    @property
    def is_syn_ack(self) -> bool:
        """Whether this is the answer to a SYN."""
        return {TcpFlags.SYN, TcpFlags.ACK} <= set(self.flags)


def read_packet(
    data: bytes, *, direction: Direction, time_s: float, interface: str
) -> Packet | None:
    """Return the packet whose IPv4 header starts ``data``; None if that is no IPv4 packet.

    A packet that is cut short, or a later fragment, has no ports.
    """
    if len(data) < _IPV4.size or data[0] >> 4 != 4:  # noqa: PLR2004 - the version of IPv4
        return None
    first, _tos, length, _id, fragment, ttl, protocol, _sum, source, destination = (
        _IPV4.unpack_from(data)
    )
    header = (first & 0x0F) * 4
    body = data[header:] if fragment & 0x1FFF == 0 else b""
    sport, dport = (0, 0)
    if protocol in _WITH_PORTS and len(body) >= _PORTS.size:
        sport, dport = _PORTS.unpack_from(body)
    icmp = (body[0], body[1]) if protocol == ICMP and len(body) > 1 else None
    return Packet(
        direction=direction,
        time_s=time_s,
        interface=interface,
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        protocol=protocol,
        sport=sport,
        dport=dport,
        flags=_flags(protocol, body),
        ttl=ttl,
        length=length,
        icmp=icmp,
        quoted=_quoted(icmp, body, direction=direction, time_s=time_s, interface=interface),
    )


def _flags(protocol: int, body: bytes) -> TcpFlags:
    if protocol != TCP or len(body) <= _TCP_FLAGS_AT:
        return NO_FLAGS
    return TcpFlags(body[_TCP_FLAGS_AT] & 0x3F)


def _quoted(
    icmp: tuple[int, int] | None,
    body: bytes,
    *,
    direction: Direction,
    time_s: float,
    interface: str,
) -> Packet | None:
    if icmp is None or icmp[0] not in _ICMP_ERRORS:
        return None
    # An error never quotes an error (RFC 1122, 3.2.2), but a forged one might, without end.
    inner = body[_ICMP_INNER_AT:]
    if len(inner) > _IPV4.size and inner[9] == ICMP:
        return None
    return read_packet(inner, direction=direction, time_s=time_s, interface=interface)
