"""A captured packet as data, read from its IPv4, TCP, UDP, SCTP and ICMP headers. Pure.

A packet inside VXLAN is read as the packet that it carries.

Source: RFC 791, RFC 9293, RFC 768, RFC 9260, RFC 792, RFC 7348; packet(7) for the direction.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
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
VXLAN_PORT: Final = 8472
"""Linux' own number, from before RFC 7348 gave another; flannel uses it."""
_UDP_HEADER: Final = 8
_SCTP_HEADER: Final = 12
_VXLAN_VALID: Final = 0x08
_VXLAN_INNER_AT: Final = 8 + 8 + 14
"""Headers of UDP, of VXLAN, and of the Ethernet frame in it."""
_ETHERTYPE_IPV4: Final = b"\x08\x00"
_COMPARED_BYTES: Final = {UDP: 12, SCTP: 8}
"""Of a payload, to know a packet again: nf_tables shows no more than 20 bytes from the ports on."""


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
    time_ns: int
    """Nanoseconds of the kernel's wall clock, which tell the order of places that are close."""
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
    identification: int = 0
    """The IPv4 header's; a connected socket counts it up from a number drawn by lot."""
    icmp: tuple[int, int] | None = None
    """Type and code of an ICMP message."""
    quoted: Packet | None = field(default=None, repr=False)
    """The packet that an ICMP error is about, as far as it is quoted."""
    tunnel: tuple[IPv4Address, IPv4Address] | None = None
    """Source and destination of the VXLAN packet that this one is in."""
    identity: bytes = field(default=b"", repr=False, compare=False)
    """What neither router nor NAT changes of it: two copies of one packet have the same."""
    payload_bytes: int = 0
    """How much follows the headers."""

    @property
    def is_syn_ack(self) -> bool:
        """Whether this is the answer to a SYN."""
        return {TcpFlags.SYN, TcpFlags.ACK} <= set(self.flags)


def read_packet(
    data: bytes, *, direction: Direction, time_ns: int, interface: str
) -> Packet | None:
    """Return the packet whose IPv4 header starts ``data``; None if that is no IPv4 packet.

    A packet that is cut short, or a later fragment, has no ports.
    """
    if len(data) < _IPV4.size or data[0] >> 4 != 4:  # noqa: PLR2004 - the version of IPv4
        return None
    first, _tos, length, number, fragment, ttl, protocol, _sum, source, destination = (
        _IPV4.unpack_from(data)
    )
    header = (first & 0x0F) * 4
    body = data[header:] if fragment & 0x1FFF == 0 else b""
    inner = _inside_vxlan(protocol, body)
    if inner:
        carried = read_packet(inner, direction=direction, time_ns=time_ns, interface=interface)
        tunnel = (IPv4Address(source), IPv4Address(destination))
        return carried and replace(carried, tunnel=tunnel)
    sport, dport = (0, 0)
    if protocol in _WITH_PORTS and len(body) >= _PORTS.size:
        sport, dport = _PORTS.unpack_from(body)
    icmp = (body[0], body[1]) if protocol == ICMP and len(body) > 1 else None
    quoted = _quoted(icmp, body, direction=direction, time_ns=time_ns, interface=interface)
    return Packet(
        direction=direction,
        time_ns=time_ns,
        interface=interface,
        source=IPv4Address(source),
        destination=IPv4Address(destination),
        protocol=protocol,
        sport=sport,
        dport=dport,
        flags=_flags(protocol, body),
        ttl=ttl,
        length=length,
        identification=number,
        icmp=icmp,
        quoted=quoted,
        identity=bytes([protocol])
        + (_identity(protocol, body) if quoted is None else body[:2] + quoted.identity),
        payload_bytes=max(0, length - header - _header_bytes(protocol, body)),
    )


def _identity(protocol: int, body: bytes) -> bytes:
    """What stays the same: sequence numbers and flags, or how the payload begins."""
    if protocol == TCP:
        return body[4:12] + body[_TCP_FLAGS_AT : _TCP_FLAGS_AT + 1]
    start = _header_bytes(protocol, body)
    payload = body[start : start + _COMPARED_BYTES.get(protocol, 0)]
    # SCTP's verification tag; its checksum covers the ports, so NAT changes it.
    return body[4:8] + payload if protocol == SCTP else payload


def _header_bytes(protocol: int, body: bytes) -> int:
    if protocol == TCP and len(body) > _TCP_FLAGS_AT:
        return (body[12] >> 4) * 4
    return {UDP: _UDP_HEADER, SCTP: _SCTP_HEADER, ICMP: _ICMP_INNER_AT}.get(protocol, 0)


def _inside_vxlan(protocol: int, body: bytes) -> bytes:
    """The IPv4 packet in a VXLAN packet; nothing if this is none."""
    if protocol != UDP or len(body) <= _VXLAN_INNER_AT:
        return b""
    is_vxlan = _PORTS.unpack_from(body)[1] == VXLAN_PORT and body[_UDP_HEADER] == _VXLAN_VALID
    carries_ipv4 = body[_VXLAN_INNER_AT - 2 : _VXLAN_INNER_AT] == _ETHERTYPE_IPV4
    return body[_VXLAN_INNER_AT:] if is_vxlan and carries_ipv4 else b""


def _flags(protocol: int, body: bytes) -> TcpFlags:
    if protocol != TCP or len(body) <= _TCP_FLAGS_AT:
        return NO_FLAGS
    return TcpFlags(body[_TCP_FLAGS_AT] & 0x3F)


def _quoted(
    icmp: tuple[int, int] | None,
    body: bytes,
    *,
    direction: Direction,
    time_ns: int,
    interface: str,
) -> Packet | None:
    if icmp is None or icmp[0] not in _ICMP_ERRORS:
        return None
    # An error never quotes an error (RFC 1122, 3.2.2), but a forged one might, without end.
    inner = body[_ICMP_INNER_AT:]
    if len(inner) > _IPV4.size and inner[9] == ICMP:
        return None
    return read_packet(inner, direction=direction, time_ns=time_ns, interface=interface)
