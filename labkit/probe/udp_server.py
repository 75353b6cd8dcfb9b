"""UDP of the responder: every answer leaves from the address that the question was sent to.

A socket on 0.0.0.0 of a node would answer from the address of the route back, and a connected
client would not take it. Source: ip(7), IP_PKTINFO.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final

from labkit.kernel.socket_options import size_buffers
from labkit.probe.poller import READ, Poller
from labkit.probe.tcp_server import Site

IP_PKTINFO: Final = 8
"""Linux' number; not in every Python's `socket`."""
_PKTINFO: Final = struct.Struct("=I4s4s")
"""struct in_pktinfo: interface, local address for the answer, address in the header."""
DATAGRAMS_A_TURN: Final = 64
MAX_DATAGRAM_BYTES: Final = 65535
RECEIVE_BUFFER_BYTES: Final = 4 * 1024 * 1024
"""Room for a whole wave of probes: the kernel counts some 800 bytes for the smallest datagram."""


class UdpListener:
    """Owns one UDP socket."""

    def __init__(self, sock: socket.socket, site: Site, poller: Poller) -> None:
        self._sock = sock
        self._site = site
        self._poller = poller
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        size_buffers(sock, receiving=RECEIVE_BUFFER_BYTES)
        poller.watch(sock.fileno(), READ, self._receive)

    def close(self) -> None:
        """Close the port."""
        self._poller.forget(self._sock.fileno())
        self._sock.close()

    def _receive(self) -> None:
        for _ in range(DATAGRAMS_A_TURN):
            try:
                data, control, _flags, peer = self._sock.recvmsg(
                    MAX_DATAGRAM_BYTES, socket.CMSG_SPACE(_PKTINFO.size)
                )
            except BlockingIOError:
                return
            except OSError:
                continue  # an error of an earlier answer; the next call gives a datagram
            self._answer(data, control, peer)

    def _answer(
        self, data: bytes, control: list[tuple[int, int, bytes]], peer: tuple[str, int]
    ) -> None:
        if not control:
            return
        _interface, local, asked = _PKTINFO.unpack(control[0][2][: _PKTINFO.size])
        port = self._sock.getsockname()[1]
        answer = self._site.command(
            data, f"{peer[0]}:{peer[1]}", f"{socket.inet_ntoa(asked)}:{port}"
        )
        if answer is None:
            return
        source = [(socket.IPPROTO_IP, IP_PKTINFO, _PKTINFO.pack(0, local, bytes(4)))]
        # No way back, a full buffer, an answer too long: a datagram may be lost.
        with contextlib.suppress(OSError):
            self._sock.sendmsg([answer], source, 0, peer)
