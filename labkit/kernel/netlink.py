"""Netlink messages, sent many in one go, and the few of rtnetlink that a whole lab is made of.

Encoded by hand, as are those of IPVS, ipset and nf_tables: these are the hot paths. pyroute2 speaks
what is asked seldom.

Source: netlink(7), rtnetlink(7); linux/if_link.h, linux/rtnetlink.h, linux/neighbour.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import Final, NamedTuple

from labkit.errors import KernelError

HEADER: Final = struct.Struct("=IHHII")
IFINFO: Final = struct.Struct("=BxHiII")
IFADDR: Final = struct.Struct("=BBBBi")
ROUTE: Final = struct.Struct("=BBBBBBBBI")
NEIGHBOUR: Final = struct.Struct("=BxxxiHBB")
ATTRIBUTE: Final = struct.Struct("=HH")

NLMSG_ERROR, NLMSG_DONE = 2, 3
NEWLINK, DELLINK, NEWADDR, DELADDR, NEWROUTE, NEWNEIGH, DELNEIGH = 16, 17, 20, 21, 24, 28, 29
REQUEST, ACK, EXCLUSIVE, CREATE, APPEND = 0x1, 0x4, 0x200, 0x400, 0x800
DUMP: Final = 0x300
CAPPED: Final = 0x100
"""NLM_F_CAPPED: the acknowledgement does not repeat the request."""
ACK_TLVS: Final = 0x200
UP: Final = 1
POINT_TO_POINT: Final = 31
"""From this prefix length on a network has no broadcast address (RFC 3021)."""

ADDRESS, NAME, MTU, MASTER, LINKINFO, NET_NS_FD = 1, 3, 4, 10, 18, 28
INFO_KIND, INFO_DATA, INFO_SLAVE_KIND, INFO_SLAVE_DATA = 1, 2, 4, 5
NETLINK_CAP_ACK, NETLINK_EXT_ACK = 10, 11
SOL_NETLINK: Final = 270
ONLINK: Final = 4
UNICAST, BLACKHOLE = 1, 6
PERMANENT: Final = 0x80
SELF: Final = 2
"""NTF_SELF: the entry is the device's own, as a vxlan's forwarding table is."""
BATCH: Final = 128
"""Requests in one message: more answers than this could overflow the socket's receive buffer."""


class Said(NamedTuple):
    """Words that are put together only if somebody reads them: most are not, and cost most."""

    form: str
    """As for `str.format`."""
    about: tuple[object, ...]

    def __str__(self) -> str:
        return self.form.format(*self.about)


@dataclass(frozen=True, slots=True)
class Request:
    """One message, without its header; ``what`` says in words what it asks for."""

    what: str | Said
    type: int
    flags: int
    body: bytes


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = ATTRIBUTE.size + len(payload)
    return ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def text(kind: int, value: str) -> bytes:
    """A string attribute with its final NUL."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """A 32 bit attribute in host byte order."""
    return attribute(kind, struct.pack("=I", value))


def byte(kind: int, value: int) -> bytes:
    """An 8 bit attribute."""
    return attribute(kind, bytes([value]))


def attributes(data: bytes) -> dict[int, bytes]:
    """Take attributes apart: each kind's payload."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        found[kind] = data[offset + ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)
    return found


def _new_link(what: str, body: bytes) -> Request:
    return Request(what, NEWLINK, REQUEST | CREATE | EXCLUSIVE, body)


def new_bridge(name: str, index: int, mac: bytes = b"") -> Request:
    """A bridge that forwards at once: no spanning tree, no delay, no multicast snooping.

    Without ``mac`` it has that of one of its ports.
    """
    data = number(1, 0) + number(5, 0) + byte(23, 0)  # forward_delay, stp_state, mcast_snooping
    info = attribute(LINKINFO, text(INFO_KIND, "bridge") + attribute(INFO_DATA, data))
    body = IFINFO.pack(0, 0, index, UP, UP) + text(NAME, name) + info
    if mac:
        body += attribute(ADDRESS, mac)
    return _new_link(f"add bridge {name}", body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Veth:
    """A veth pair: ``name`` in another namespace, ``peer`` in the one the request is sent in.

    The end elsewhere is the main device, as only that can be born up and in a bridge: a peer
    cannot be created up (ENOTCONN).
    """

    name: str
    namespace_fd: int
    bridge: int = 0
    """Index of the bridge in the other namespace; 0 for none."""
    peer: str = "eth0"
    peer_index: int = 2
    """Known beforehand, so that later messages of the batch can name the peer."""
    mtu: int = 1500
    peer_mac: bytes = b""
    """The peer's MAC address; empty for one of the kernel's choice."""

    def request(self) -> Request:
        """The message that makes it."""
        peer = (
            IFINFO.pack(0, 0, self.peer_index, 0, 0) + text(NAME, self.peer) + number(MTU, self.mtu)
        )
        if self.peer_mac:
            peer += attribute(ADDRESS, self.peer_mac)
        data = attribute(INFO_DATA, attribute(1, peer))
        body = IFINFO.pack(0, 0, 0, UP, UP) + text(NAME, self.name) + number(MTU, self.mtu)
        body += number(NET_NS_FD, self.namespace_fd)
        if self.bridge:
            body += number(MASTER, self.bridge)
        body += attribute(LINKINFO, text(INFO_KIND, "veth") + data)
        return _new_link(f"add veth {self.name} with peer {self.peer}", body)


def new_dummy(name: str) -> Request:
    """A dummy device, down: it holds addresses and sends nothing."""
    info = attribute(LINKINFO, text(INFO_KIND, "dummy"))
    return _new_link(f"add dummy {name}", IFINFO.pack(0, 0, 0, 0, 0) + text(NAME, name) + info)


def new_vxlan(name: str, index: int, local: IPv4Address, mtu: int) -> Request:
    """Flannel's vxlan device: id 1, UDP port 8472, no learning, since every entry is given."""
    data = number(1, 1) + attribute(4, local.packed) + byte(7, 0)
    data += attribute(15, struct.pack("!H", 8472))
    info = attribute(LINKINFO, text(INFO_KIND, "vxlan") + attribute(INFO_DATA, data))
    body = IFINFO.pack(0, 0, index, UP, UP) + text(NAME, name) + number(MTU, mtu)
    body += attribute(ADDRESS, vxlan_mac(local)) + info
    return _new_link(f"add vxlan {name}", body)


def pod_mac(address: IPv4Address) -> bytes:
    """A pod's or bridge's MAC address, as kubenet chose it from the address.

    A pod that takes the address of one that is gone is found at once: others may still have the
    address in their ARP tables, and would ask again only after seconds of silence.
    """
    return b"\x0a\x58" + address.packed


def vxlan_mac(local: IPv4Address) -> bytes:
    """A locally administered MAC address that others can work out from a node's address."""
    return b"\x0e\x1b" + local.packed


def link_up(index: int, what: str) -> Request:
    """Set a link up."""
    return Request(f"set {what} up", NEWLINK, REQUEST, IFINFO.pack(0, 0, index, UP, UP))


def hairpin(name: str) -> Request:
    """Let a bridge send a packet back by the port that it came in by."""
    slave = text(INFO_SLAVE_KIND, "bridge") + attribute(INFO_SLAVE_DATA, byte(4, 1))
    body = IFINFO.pack(0, 0, 0, 0, 0) + text(NAME, name) + attribute(LINKINFO, slave)
    return Request(f"set hairpin on {name}", NEWLINK, REQUEST, body)


def delete_link(name: str) -> Request:
    """Delete a link by name; a veth's other end goes with it."""
    body = IFINFO.pack(0, 0, 0, 0, 0) + text(NAME, name)
    return Request(f"delete {name}", DELLINK, REQUEST, body)


def new_address(index: int, address: IPv4Address, prefix: int) -> Request:
    """Give a link an address."""
    body = IFADDR.pack(socket.AF_INET, prefix, 0, 0, index)
    body += attribute(2, address.packed) + attribute(1, address.packed)
    if prefix < POINT_TO_POINT:
        host_bits = (1 << (32 - prefix)) - 1
        body += attribute(4, (int(address) | host_bits).to_bytes(4, "big"))
    return Request(f"add address {address}/{prefix}", NEWADDR, REQUEST | CREATE | EXCLUSIVE, body)


def delete_address(index: int, address: IPv4Address, prefix: int) -> Request:
    """Take an address from a link."""
    body = IFADDR.pack(socket.AF_INET, prefix, 0, 0, index) + attribute(2, address.packed)
    return Request(f"delete address {address}/{prefix}", DELADDR, REQUEST, body)


def new_route(
    to: IPv4Network,
    *,
    via: IPv4Address | None = None,
    index: int = 0,
    onlink: bool = False,
    blackhole: bool = False,
) -> Request:
    """A route in the main table: by a gateway, straight by a link, or to nowhere."""
    kind = BLACKHOLE if blackhole else UNICAST
    scope = 0 if via or blackhole else 253
    flags = ONLINK if onlink else 0
    body = ROUTE.pack(socket.AF_INET, to.prefixlen, 0, 0, 254, 4, scope, kind, flags)
    if to.prefixlen:
        body += attribute(1, to.network_address.packed)
    if via:
        body += attribute(5, via.packed)
    if index:
        body += number(4, index)
    way = f"via {via}" if via else "to nowhere" if blackhole else f"by link {index}"
    return Request(f"add route {to} {way}", NEWROUTE, REQUEST | CREATE | EXCLUSIVE, body)


def new_neighbour(index: int, address: IPv4Address, mac: bytes) -> Request:
    """A permanent ARP entry."""
    body = NEIGHBOUR.pack(socket.AF_INET, index, PERMANENT, 0, 0)
    body += attribute(1, address.packed) + attribute(2, mac)
    return Request(f"add neighbour {address}", NEWNEIGH, REQUEST | CREATE | EXCLUSIVE, body)


def delete_neighbour(index: int, address: IPv4Address) -> Request:
    """Forget an ARP entry."""
    body = NEIGHBOUR.pack(socket.AF_INET, index, 0, 0, 0) + attribute(1, address.packed)
    return Request(f"delete neighbour {address}", DELNEIGH, REQUEST, body)


def new_vxlan_peer(index: int, mac: bytes, remote: IPv4Address) -> Request:
    """An entry of a vxlan's forwarding table: which node has which MAC address."""
    body = NEIGHBOUR.pack(socket.AF_BRIDGE, index, PERMANENT, SELF, 0)
    body += attribute(2, mac) + attribute(1, remote.packed)
    return Request(f"add vxlan peer {remote}", NEWNEIGH, REQUEST | CREATE | EXCLUSIVE, body)


def open_netlink(protocol: int = socket.NETLINK_ROUTE) -> socket.socket:
    """A netlink socket of the calling thread's namespace, with short answers that carry reasons."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    return sock


def send(sock: socket.socket, requests: Iterable[Request], *, where: str) -> None:
    """Send requests in as few messages as fit and wait until the kernel has done them all.

    They are taken as they are sent: an iterator of many never holds them all, which would cost
    Python's collector more than the kernel.

    Only the last of a message asks for an acknowledgement: the kernel reports errors of the others
    anyway, in order. It does every request of a message, also those after one that failed.

    Raises:
        KernelError: the first request that was refused, with the kernel's own words. Nothing is
            sent after the message that holds it.
    """
    left = iter(requests)
    while batch := list(islice(left, BATCH)):
        _send_batch(sock, batch, where)


def ask(sock: socket.socket, request: Request, *, where: str) -> bytes:
    """Return what the kernel answers to a question, without its header.

    Raises:
        KernelError: the kernel refused.
    """
    sock.send(encode(request, 1, acknowledge=False))
    answer = sock.recv(1 << 16)
    for _, code, reason in read_answers(answer):
        raise KernelError(
            f"{where}: {request.what}", errno=code, message=reason or os.strerror(code)
        )
    (length,) = struct.unpack_from("=I", answer)
    return answer[HEADER.size : length]


def dump(sock: socket.socket, request: Request, *, where: str) -> list[bytes]:
    """Return everything that there is of what a request asks for, each without its header.

    Raises:
        KernelError: the kernel refused.
    """
    asked = Request(request.what, request.type, request.flags | REQUEST | DUMP, request.body)
    sock.send(encode(asked, 1, acknowledge=False))
    found: list[bytes] = []
    while True:
        answer = sock.recv(1 << 16)
        for _, code, reason in read_answers(answer):
            if code:
                what = f"{where}: {request.what}"
                raise KernelError(what, errno=code, message=reason or os.strerror(code))
        offset = 0
        while offset < len(answer):
            length, kind, *_ = HEADER.unpack_from(answer, offset)
            if kind == NLMSG_DONE:
                return found
            found.append(answer[offset + HEADER.size : offset + length])
            offset += length + (-length % 4)


def _send_batch(sock: socket.socket, requests: Sequence[Request], where: str) -> None:
    last = len(requests)
    sock.send(
        b"".join(
            encode(request, seq, acknowledge=seq == last) for seq, request in enumerate(requests, 1)
        )
    )
    failure: KernelError | None = None
    while True:
        answer = sock.recv(1 << 16)
        for seq, error, reason in read_answers(answer):
            if error and failure is None:
                message = reason or os.strerror(error)
                what = f"{where}: {requests[seq - 1].what}"
                failure = KernelError(what, errno=error, message=message)
            if seq == last:
                if failure:
                    raise failure
                return


def encode(request: Request, sequence: int, *, acknowledge: bool) -> bytes:
    """One message with its header."""
    flags = request.flags | (ACK if acknowledge else 0)
    length = HEADER.size + len(request.body)
    return HEADER.pack(length, request.type, flags, sequence, 0) + request.body


def read_answers(data: bytes) -> list[tuple[int, int, str]]:
    """Return (sequence, errno or 0, the kernel's reason or "") of each acknowledgement."""
    answers: list[tuple[int, int, str]] = []
    offset = 0
    while offset < len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if kind == NLMSG_ERROR:
            (code,) = struct.unpack_from("=i", data, offset + HEADER.size)
            body = data[offset + HEADER.size + 4 : offset + length]
            answers.append((sequence, -code, _reason(body, flags)))
        offset += length + (-length % 4)
    return answers


def _reason(body: bytes, flags: int) -> str:
    """NLMSGERR_ATTR_MSG of an extended acknowledgement."""
    if not flags & ACK_TLVS:
        return ""
    offset = HEADER.size
    if not flags & CAPPED:
        offset = HEADER.unpack_from(body)[0]
        offset += -offset % 4
    said = attributes(body[offset:]).get(1, b"")
    return said.rstrip(b"\0").decode()
