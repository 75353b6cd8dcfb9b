"""Leaves the datagrams of other flows out of a recording. Pure.

Whoever asks the same in UDP sends the same bytes, and gets the same back: the payload does not tell
two flows apart, as TCP's sequence numbers do. What tells is the identification of the request's
IPv4 header, which neither routers nor NAT change (RFC 791, 3.1; RFC 6864, 4.1, for its limits).

Source: linux/include/net/ip.h, ip_select_ident_segs: a connected socket has a counter of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from labkit.trace.packet import UDP, Direction, Packet
from labkit.trace.path import Address
from labkit.trace.recording import Recording
from labkit.trace.trail import Ask, between, is_asked


def without_others(recording: Recording, ask: Ask) -> Recording:
    """Return the recording without the datagrams of flows other than the one that was asked.

    Packets of other protocols all stay. So does everything where nothing was seen to be asked.
    """
    if ask.protocol != UDP:
        return recording
    sent = {_mark(packet) for packet in _sent_by(recording, ask.host) if is_asked(packet, ask)}
    sources = {between(each).source for each in _every(recording) if _mark(each) in sent}
    if not sources:
        return recording
    captured = tuple(c for c in recording.captured if _is_of(c.packet, sent, sources))
    traversals = {
        host: tuple(t for t in found if _is_of(t.packet, sent, sources))
        for host, found in recording.traversals.items()
    }
    return replace(recording, captured=captured, traversals=traversals)


def _sent_by(recording: Recording, host: str) -> Iterator[Packet]:
    for traversal in recording.traversals.get(host, ()):
        yield traversal.packet
    for name, packet, _data in recording.captured:
        if name == host and packet.direction is Direction.OUT:
            yield packet


def _every(recording: Recording) -> Iterator[Packet]:
    for found in recording.traversals.values():
        yield from (traversal.packet for traversal in found)
    yield from (captured.packet for captured in recording.captured)


def _mark(packet: Packet) -> tuple[bytes, int]:
    return packet.identity, packet.identification


def _is_of(
    packet: Packet, sent: Collection[tuple[bytes, int]], sources: Collection[Address]
) -> bool:
    """Whether a packet is the request, goes to one of its sources, or is an error about either."""
    about = packet.quoted or packet
    if about.protocol != UDP:
        return True
    ends = between(about)
    return _mark(about) in sent or ends.source in sources or ends.destination in sources
