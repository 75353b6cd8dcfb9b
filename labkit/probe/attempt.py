"""One attempt: a new socket from a fresh source port, a request, and what came back.

Source: tcp(7), udp(7) and connect(2) for what each error number says about the network.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Protocol
from labkit.errors import LabError, MissingFeature
from labkit.kernel.netns import Namespace
from labkit.probe.flow import Answer, Outcome
from labkit.probe.poller import READ, WRITE, Poller
from labkit.probe.source_ports import SourcePorts
from labkit.probe.wire import (
    NO_READING,
    Reading,
    filler,
    probe_command,
    probe_request,
    read_command_answer,
    read_http_answer,
)

IPPROTO_SCTP: Final = 132
"""Not in every Python's `socket`."""
IP_RECVERR: Final = 11
"""Linux' number, see ip(7); not in every Python's `socket`."""
MSG_ERRQUEUE: Final = 0x2000
_CONTROL_BYTES: Final = 512
SOCKET_KINDS: Final[Mapping[Protocol, tuple[int, int]]] = {
    Protocol.TCP: (socket.SOCK_STREAM, 0),
    Protocol.UDP: (socket.SOCK_DGRAM, 0),
    Protocol.SCTP: (socket.SOCK_STREAM, IPPROTO_SCTP),
}
"""Type and protocol of a socket."""
BIND_TRIES: Final = 1024
"""More source ports in a row than any lab's listeners and TIME_WAITs can occupy by chance."""
_RECEIVE_BYTES: Final = 65536

_OUTCOMES: Final[Mapping[int, Outcome]] = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
    errno.ECONNABORTED: Outcome.RESET,
    errno.EHOSTUNREACH: Outcome.UNREACHABLE,
    errno.ENETUNREACH: Outcome.UNREACHABLE,
    errno.EACCES: Outcome.UNREACHABLE,  # a prohibit route
    errno.ENETDOWN: Outcome.UNREACHABLE,
    errno.EHOSTDOWN: Outcome.UNREACHABLE,
    errno.ENONET: Outcome.UNREACHABLE,  # ICMP host isolated
    errno.ENOPROTOOPT: Outcome.REFUSED,  # ICMP protocol unreachable
    errno.ETIMEDOUT: Outcome.TIMED_OUT,
    errno.EPERM: Outcome.TIMED_OUT,  # connect(2): "because of a local firewall rule"
    errno.EINVAL: Outcome.TIMED_OUT,  # a blackhole route: silence, but for local senders
}
"""What an error of connect, send or recv means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What to try: the same object may be tried many times, each with a source port of its own."""

    namespace: Namespace
    address: IPv4Address
    port: int
    protocol: Protocol = Protocol.TCP
    request_bytes: int = 0
    """What the request carries beside the question."""

    @property
    def request(self) -> bytes:
        """What is sent."""
        tcp = self.protocol is Protocol.TCP
        return (probe_request if tcp else probe_command)(self.request_bytes)


def open_sockets(attempts: Sequence[Attempt]) -> list[socket.socket]:
    """Return one non-blocking socket per attempt, made with one switch per namespace and kind.

    Raises:
        MissingFeature: this kernel has no SCTP.
        OSError: no sockets are left; none stays open.
    """
    places: dict[tuple[int, Protocol], list[int]] = defaultdict(list)
    for place, attempt in enumerate(attempts):
        places[attempt.namespace.fd, attempt.protocol].append(place)
    made: dict[int, socket.socket] = {}
    try:
        for (_fd, protocol), group in places.items():
            sockets = _open(attempts[group[0]].namespace, protocol, len(group))
            made.update(zip(group, sockets, strict=True))
    except BaseException:
        for sock in made.values():
            sock.close()
        raise
    return [made[place] for place in range(len(attempts))]


def _open(namespace: Namespace, protocol: Protocol, count: int) -> list[socket.socket]:
    kind, number = SOCKET_KINDS[protocol]
    try:
        return namespace.sockets(count, socket.AF_INET, kind | socket.SOCK_NONBLOCK, number)
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            raise no_sctp() from error
        raise


def no_sctp() -> MissingFeature:
    """The error of a kernel without SCTP."""
    return MissingFeature(
        "sctp",
        found="the kernel has no SCTP sockets",
        remedy="load the module (modprobe sctp; Debian: the linux-image package has it)",
    )


def _is_lost(error: Exception) -> bool:
    """Whether a datagram was lost before it had left, and the next one may not be.

    EMSGSIZE: it met a link too small for it, and the kernel cuts the next one to fit. That is path
    MTU discovery, see ip(7); IPVS has a node's own datagrams meet it. ENOBUFS: what was sent before
    still waits, as it does on a busy machine. Without IP_RECVERR nobody is told of that (Linux 6.1
    net/ipv4/udp.c, udp_send_skb).
    """
    return isinstance(error, OSError) and error.errno in {errno.EMSGSIZE, errno.ENOBUFS}


class Probe:
    """One attempt under way: owns its socket until it has its answer."""

    __slots__ = ("_data", "_ended", "_poller", "_sock", "_started", "_unsent", "answer", "attempt",
                 "failure", "source_port")  # fmt: skip

    def __init__(
        self,
        attempt: Attempt,
        sock: socket.socket,
        poller: Poller,
        ended: Callable[[Probe], None],
    ) -> None:
        self.attempt = attempt
        self.answer = Answer(outcome=Outcome.TIMED_OUT)
        self.failure: Exception | None = None
        self.source_port = 0
        self._sock = sock
        self._poller = poller
        self._ended = ended
        self._started = 0.0
        self._unsent = attempt.request
        self._data = b""

    def start(self, ports: SourcePorts) -> None:
        """Bind, connect and, if the handshake is done by then, send: veths are that fast."""
        self._started = self._poller.loop.time()
        try:
            self._connect(ports)
            if not self._send():
                self._poller.watch(self._sock.fileno(), WRITE, self._ready)
            else:
                self._poller.watch(self._sock.fileno(), READ, self._ready)
        except (OSError, LabError) as error:
            self._failed(error)

    def send_again(self) -> None:
        """Send the request once more, as for a datagram that was lost."""
        self._unsent = self.attempt.request
        try:
            self._send()
        except OSError as error:
            self._failed(error)

    def expire(self) -> None:
        """End with what has come so far: a part of an answer, or the silence that it was."""
        if not self._data:
            self._end(Outcome.TIMED_OUT)
        else:
            self._read(self._data, complete=True)

    def abandon(self) -> None:
        """Close the socket without an answer."""
        self._sock.close()

    def _connect(self, ports: SourcePorts) -> None:
        target = (str(self.attempt.address), self.attempt.port)
        # Without it UDP is not told of ICMP host and network unreachable, and TCP not of any ICMP
        # that comes back while connect(2) still runs, as over a veth it does: it would take the
        # next SYN, a second later, to learn of a REJECT.
        self._sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        for _ in range(BIND_TRIES):
            self.source_port = ports.take(self.attempt.namespace.fd)
            try:
                self._sock.bind(("", self.source_port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            code = self._sock.connect_ex(target)
            if code not in {0, errno.EINPROGRESS}:
                raise OSError(code, os.strerror(code))
            return
        where = self.attempt.namespace.name
        raise LabError(f"{BIND_TRIES} source ports in a row are taken on {where}")

    def _send(self) -> bool:
        """Send the request; False if the handshake is not over yet, or the socket is full."""
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except BlockingIOError:
            return False
        except PermissionError:
            # A DROP in the source's own output, and a REJECT too: sendto(2) of a datagram is told
            # of both alike, and what ICMP has to say comes after.
            self._unsent = b""
        except BrokenPipeError:
            # SCTP says so of an association that is not yet there, and of one that was refused.
            code = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if self.attempt.protocol is Protocol.SCTP and not code:
                return False
            raise OSError(code or errno.EPIPE, os.strerror(code or errno.EPIPE)) from None
        except OSError as error:
            if not _is_lost(error):
                raise
            self._unsent = b""  # as lost as a datagram on the way is, and sent again as that
        return not self._unsent

    def _ready(self) -> None:
        try:
            if self._unsent:
                if self._send():
                    self._poller.change(self._sock.fileno(), READ)
                else:
                    self._look_for_icmp()
                return
            data = self._sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            self._look_for_icmp()
            return
        except OSError as error:
            self._failed(error)
            return
        if self.attempt.protocol is Protocol.TCP:
            self._read(self._data + data, complete=not data)
        elif data or self.attempt.protocol is Protocol.UDP:
            self._connected(read_command_answer(data, self._filler()))
        else:
            self._end(Outcome.RESET)

    def _look_for_icmp(self) -> None:
        """End if an ICMP error waits in the socket's error queue, see ip(7)."""
        with contextlib.suppress(BlockingIOError):
            _data, control, _flags, _from = self._sock.recvmsg(0, _CONTROL_BYTES, MSG_ERRQUEUE)
            for level, kind, error in control:
                if (level, kind) == (socket.IPPROTO_IP, IP_RECVERR):
                    number = int.from_bytes(error[:4], sys.byteorder)
                    self._failed(OSError(number, os.strerror(number)))
                    return

    def _read(self, data: bytes, *, complete: bool) -> None:
        if not data:
            # Closed at once, in order, without a byte: nobody answered.
            self._end(Outcome.RESET)
            return
        reading = read_http_answer(data, complete=complete, filler=self._filler())
        if reading is None:
            self._data = data
        else:
            self._connected(reading)

    def _filler(self) -> str:
        return filler(self.attempt.request_bytes)

    def _connected(self, reading: Reading) -> None:
        self._end(Outcome.CONNECTED, reading)

    def _failed(self, error: OSError | LabError) -> None:
        if _is_lost(error):
            return
        outcome = _OUTCOMES.get(error.errno or 0) if isinstance(error, OSError) else None
        if self._data:
            self._read(self._data, complete=True)
        elif outcome is not None:
            self._end(outcome)
        else:
            attempt = self.attempt
            self.failure = LabError(
                f"probe from {attempt.namespace.name} to {attempt.address}:{attempt.port}"
                f"/{attempt.protocol}: {error}"
            )
            self._end(Outcome.TIMED_OUT)

    def _end(self, outcome: Outcome, reading: Reading = NO_READING) -> None:
        self._poller.forget(self._sock.fileno())
        self._sock.close()
        self.answer = Answer(
            outcome=outcome,
            pod=reading.pod,
            source_seen=reading.source_seen,
            http_status=reading.http_status,
            elapsed_s=self._poller.loop.time() - self._started,
            source_port=self.source_port,
        )
        self._ended(self)
