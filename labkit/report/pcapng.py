"""Captured packets as a pcapng file, which Wireshark opens: each interface is one of its own. Pure.

Source: draft-ietf-opsawg-pcapng, sections 3.5 (options), 4.1 (section header), 4.2 (interface
description) and 4.3 (enhanced packet). Link type 228 is a bare IPv4 packet; 101, a bare packet of
either version, confuses libpcap where there is more than one interface.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from labkit.report.paths.words import change_words, end_words, leg_words, title
from labkit.trace.packet import Direction
from labkit.trace.path import Hop, Leg, Path
from labkit.trace.recording import Captured
from labkit.trace.words import packet_words

SECTION, INTERFACE, PACKET = 0x0A0D0D0A, 1, 6
BYTE_ORDER: Final = 0x1A2B3C4D
UNKNOWN_LENGTH: Final = 0xFFFFFFFFFFFFFFFF
LINK_IPV4: Final = 228
END, COMMENT = 0, 1
SECTION_APPLICATION, INTERFACE_NAME, INTERFACE_RESOLUTION, PACKET_FLAGS = 4, 2, 9, 2
NANOSECONDS: Final = 9
INBOUND, OUTBOUND = 1, 2

Place = tuple[str, str, str, Direction, str, str]
"""What a packet is, and where: later ones of a connection have other words."""


def pcapng(captured: Sequence[Captured], paths: Iterable[Path]) -> bytes:
    """Return the file.

    Packets that the paths are made of carry a comment: whose packet it is, and what was changed
    before this place.
    """
    told = list(paths)
    comments = dict(_comments(told))
    interfaces: dict[tuple[str, str], int] = {}
    for host, packet, _data in captured:
        interfaces.setdefault((host, packet.interface), len(interfaces))
    blocks = [_section([f"{title(path)}: {path.verdict}" for path in told])]
    blocks += [_interface(f"{host} {name}") for host, name in interfaces]
    in_time = sorted(captured, key=lambda each: each.packet.time_ns)
    blocks += [_packet(each, interfaces, comments) for each in in_time]
    return b"".join(blocks)


def _comments(paths: Iterable[Path]) -> Iterator[tuple[Place, str]]:
    for path in paths:
        for leg in path.legs:
            for hop in leg.hops:
                yield _place_of(leg, hop), _comment(leg, hop)


def _comment(leg: Leg, hop: Hop) -> str:
    words = [leg_words(leg), *map(change_words, hop.changes)]
    if hop is leg.hops[-1]:
        words.append(end_words(leg.end))
    return "; ".join(words)


def _place_of(leg: Leg, hop: Hop) -> Place:
    ends = str(hop.source), str(hop.destination)
    return leg.packet, hop.host, hop.interface, hop.direction, *ends


def _section(comments: Iterable[str]) -> bytes:
    options = [(COMMENT, each.encode()) for each in comments]
    options.append((SECTION_APPLICATION, b"labkit"))
    head = struct.pack("=IHHQ", BYTE_ORDER, 1, 0, UNKNOWN_LENGTH)
    return _block(SECTION, head + _options(options))


def _interface(name: str) -> bytes:
    options = [
        (INTERFACE_NAME, name.encode()),
        (INTERFACE_RESOLUTION, bytes([NANOSECONDS])),
    ]
    return _block(INTERFACE, struct.pack("=HHI", LINK_IPV4, 0, 0) + _options(options))


def _packet(
    each: Captured,
    interfaces: Mapping[tuple[str, str], int],
    comments: Mapping[Place, str],
) -> bytes:
    packet = each.packet
    head = struct.pack(
        "=IIIII",
        interfaces[each.host, packet.interface],
        packet.time_ns >> 32,
        packet.time_ns & 0xFFFFFFFF,
        len(each.data),
        len(each.data),
    )
    flags = INBOUND if packet.direction is Direction.IN else OUTBOUND
    options = [(PACKET_FLAGS, struct.pack("=I", flags))]
    source, destination = (
        f"{ip}:{port}" if port else str(ip)
        for ip, port in ((packet.source, packet.sport), (packet.destination, packet.dport))
    )
    what = packet_words(packet)
    place = (what, each.host, packet.interface, packet.direction, source, destination)
    if place in comments:
        options.append((COMMENT, comments[place].encode()))
    return _block(PACKET, head + _padded(each.data) + _options(options))


def _options(options: Iterable[tuple[int, bytes]]) -> bytes:
    encoded = b"".join(
        struct.pack("=HH", code, len(value)) + _padded(value) for code, value in options
    )
    return encoded + struct.pack("=HH", END, 0)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("=II", kind, length) + body + struct.pack("=I", length)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
