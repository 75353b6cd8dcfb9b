"""Keys and values of nft's sets and maps as the kernel has them: every part fills four bytes.

Source: nft(8); net/netfilter/nft_set_rbtree.c for intervals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.kernel.nf_tables import Element

PROTOCOLS: Final = {"tcp": 6, "udp": 17, "sctp": 132}
"""As IANA numbers them."""
LAST_ADDRESS: Final = 2**32 - 1


def address(text: str) -> bytes:
    """An IPv4 address in network byte order."""
    return bytes(map(int, text.split(".")))


def host_number(value: int) -> bytes:
    """A number in the machine's byte order, as ``numgen`` makes them."""
    return struct.pack("=I", value)


def port(text: str) -> bytes:
    """A port where others follow or go before."""
    return struct.pack("!Hxx", int(text))


def key(text: str) -> bytes:
    """A key such as ``10.96.0.1 . tcp . 80``."""
    return b"".join(map(_part, text.split(" . ")))


def _part(text: str) -> bytes:
    if text in PROTOCOLS:
        return struct.pack("=Bxxx", PROTOCOLS[text])
    return port(text) if text.isdecimal() else address(text)


def ends(text: str) -> tuple[int, int]:
    """The first and last address of ``10.0.0.0/8``, ``10.0.0.1-10.0.0.5`` or ``10.0.0.1``."""
    first, _, last = text.partition("-")
    if last:
        return int(IPv4Address(first)), int(IPv4Address(last))
    network = IPv4Network(text)
    return int(network.network_address), int(network.broadcast_address)


def points(ranges: Iterable[tuple[int, int]]) -> Iterator[Element]:
    """The elements of a set of addresses."""
    return (Element(first.to_bytes(4, "big")) for first, _ in ranges)


def intervals(ranges: Iterable[tuple[int, int]]) -> Iterator[Element]:
    """Where each interval begins and where the next gap does; before the first one is a gap."""
    found = sorted(ranges)
    if found[0][0] > 0:
        yield Element(bytes(4), ends_interval=True)
    for first, last in found:
        yield Element(first.to_bytes(4, "big"))
        if last < LAST_ADDRESS:
            yield Element((last + 1).to_bytes(4, "big"), ends_interval=True)
