"""Packets and their losses in words. Pure.

Source: RFC 792 and RFC 1812, 5.2.7.1, for ICMP; snmp_counter.rst of the kernel's documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from labkit.trace.packet import ICMP, SCTP, TCP, UDP, Direction, Packet, TcpFlags
from labkit.trace.path import Hop

ICMP_WORDS: Final[Mapping[tuple[int, int], str]] = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 9): "network administratively prohibited",
    (3, 10): "host administratively prohibited",
    (3, 13): "administratively prohibited",
    (5, 1): "redirect",
    (11, 0): "time to live exceeded",
}
FLAGS: Final = (
    (TcpFlags.SYN, "SYN"),
    (TcpFlags.FIN, "FIN"),
    (TcpFlags.RST, "RST"),
    (TcpFlags.ACK, "ACK"),
)
PROTOCOLS: Final = {UDP: "UDP", SCTP: "SCTP", ICMP: "ICMP"}
LOSSES: Final[Mapping[str, str]] = {
    "IPReversePathFilter": "rp_filter: the way back to the source is another interface",
    "InNoRoutes": "there is no route to the destination",
    "OutNoRoutes": "there is no route to the destination",
    "InAddrErrors": "the destination is an address that the host neither has nor forwards to",
    "InHdrErrors": "its time to live ended, or its header is wrong",
    "InDiscards": "the kernel discarded it",
    "OutDiscards": "the kernel discarded it",
}
"""Counters of /proc/net/snmp and /proc/net/netstat, the most telling first."""


def packet_words(packet: Packet) -> str:
    """Return what a packet is: ``SYN``, ``ACK, 80 bytes``, ``ICMP port unreachable``."""
    if packet.icmp is not None:
        kind, code = packet.icmp
        return f"ICMP {ICMP_WORDS.get(packet.icmp, f'type {kind} code {code}')}"
    if packet.protocol != TCP:
        name = PROTOCOLS.get(packet.protocol, f"protocol {packet.protocol}")
        return f"{name}, {_bytes(packet.payload_bytes)}" if packet.payload_bytes else name
    flags = ", ".join(word for flag, word in FLAGS if flag in packet.flags)
    return f"{flags}, {_bytes(packet.payload_bytes)}" if packet.payload_bytes else flags


def loss_reason(last: Hop, grown: Mapping[str, int], *, times: int = 1) -> str:
    """Return why a packet went no further than a hop, as far as the host's counters tell.

    Args:
        last: the hop.
        grown: how much each counter of its host has grown meanwhile, by other packets, too.
        times: how often the packet came there; a counter that grew less did not count it.
    """
    if last.direction is Direction.OUT and last.interface:
        return (
            f"it left {last.host} by {last.interface}, and no host of the lab received it: nobody"
            f" on that network leads to {last.destination.ip}"
        )
    for counter, why in LOSSES.items():
        count = grown.get(counter, 0)
        if count and count == times:
            return f"{why} ({counter} of {last.host} has grown)"
        if count > times:
            return f"perhaps {why} ({counter} of {last.host} has grown by other packets, too)"
    return f"no rule of {last.host} was seen to drop it"


def martian(hop: Hop) -> str:
    """Return why a host refuses a packet from outside that has its own address as the source."""
    own = "a loopback address" if hop.source.ip.is_loopback else f"{hop.host}'s own address"
    return (
        f"its source {hop.source.ip} is {own}, and the kernel takes that from no wire (a martian)"
    )


def nowhere(hop: Hop) -> str:
    """Return why a host's own packet to a Service goes nowhere under IPVS, where no rule drops it.

    Source: net/netfilter/ipvs/ip_vs_core.c, ip_vs_leave.
    """
    return f"IPVS of {hop.host} has no endpoint to send {hop.destination} to"


def _bytes(count: int) -> str:
    return "1 byte" if count == 1 else f"{count} bytes"
