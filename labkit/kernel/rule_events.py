"""What netfilter tells of a traced packet: each rule that it met, in order; and how it is heard."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from labkit.kernel import netlink
from labkit.kernel.netfilter import NETLINK_NETFILTER
from labkit.kernel.socket_options import size_buffers

OWN_TABLE: Final = "labkit-trace"
"""The table of the rules that mark packets to be traced; its own events are left out."""


BUFFER_BYTES: Final = 8 << 20
NFGENMSG: Final = 4
"""Bytes of struct nfgenmsg, before the attributes of a message."""


class RuleEvent(NamedTuple):
    """A packet has met a rule, or the end of a chain."""

    packet: int
    """The same for all events of a packet in a hook and table; used again, then with a header."""
    table: str
    """Its name; its family stands before it if that is another than ip: ``inet filter``."""
    chain: str
    rule: int
    """nf_tables: the rule's handle. Legacy: its number in the chain. 0 for the end of a chain."""
    drops: bool | None
    """Whether the packet was dropped here; None if only the rule's text can tell."""
    mark: int
    header: bytes
    """The packet from its IPv4 header on, with the first event of each hook and table."""


class RuleTracer(Protocol):
    """Owns what it takes to be told of the rules that the packets of one namespace meet."""

    def events(self) -> list[RuleEvent]:
        """What was told since it was asked last, in order."""
        ...

    @property
    def lost(self) -> bool:
        """Whether more was told than the socket could hold."""
        ...

    def close(self) -> None:
        """Stop tracing; safe to call again."""
        ...


class Listener:
    """Owns a netlink socket of netfilter's that many messages may come to at once."""

    def __init__(self) -> None:
        """Open it in the calling thread's namespace."""
        self.socket = netlink.open_netlink(NETLINK_NETFILTER)
        self.lost = False
        """Whether more came than the socket could hold."""
        size_buffers(self.socket, receiving=BUFFER_BYTES)

    def messages(self, kind: int) -> Iterator[tuple[int, dict[int, bytes]]]:
        """Yield family and attributes of each message of a kind that has come, without waiting."""
        for data in self._received():
            offset = 0
            while offset + netlink.HEADER.size <= len(data):
                length, found, *_ = netlink.HEADER.unpack_from(data, offset)
                if found == kind:
                    start = offset + netlink.HEADER.size
                    found_attributes = netlink.attributes(data[start + NFGENMSG : offset + length])
                    yield data[start], found_attributes
                offset += length + (-length % 4)

    def _received(self) -> Iterator[bytes]:
        while True:
            try:
                yield self.socket.recv(1 << 17, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self.lost = True
