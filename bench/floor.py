"""The least that a star of hosts costs: one batch of netlink messages per host, and nothing else.

It shares no code with labkit, so that a mistake there cannot lower the bar. Each host is one
unshare(2), one file descriptor, one netlink socket, one send: a veth whose other end is born up and
in the switch's bridge, an address, a default route. No checks, no names, no sysctl but the one that
keeps IPv6 off.

Source: rtnetlink(7), netlink(7), linux/if_link.h, linux/rtnetlink.h.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

CLONE_NEWNET: Final = 0x40000000
OWN_NET: Final = "/proc/thread-self/ns/net"
HOSTS: Final = IPv4Network("10.0.0.0/16")
SWITCH: Final = HOSTS.network_address + 1

NEWLINK, NEWADDR, NEWROUTE = 16, 20, 24
REQUEST, ACK, MAKE = 0x1, 0x4, 0x600
BRIDGE_INDEX: Final = 2
ETH0_INDEX: Final = 2
LO_INDEX: Final = 1


def build_star(hosts: int) -> list[int]:
    """Return the file descriptors of a switch's namespace and of so many hosts' on its bridge.

    Raises:
        OSError: the kernel refused a step.
    """
    found: list[int] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            _build(hosts, found)
        except BaseException as error:  # noqa: BLE001 - raised again on the caller's thread
            failures.append(error)

    # A thread of its own, as entering namespaces changes the one that does it.
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return found


def _build(hosts: int, found: list[int]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    found.append(_new_namespace(libc))
    _talk([*_bridge(), *_address(BRIDGE_INDEX, SWITCH.packed)])
    for number in range(hosts):
        found.append(_new_namespace(libc))
        address = (SWITCH + 1 + number).packed
        _talk(
            [
                _up(LO_INDEX),
                _veth(f"h{number}", found[0]),
                _up(ETH0_INDEX),
                *_address(ETH0_INDEX, address),
                _default_route(SWITCH.packed),
            ]
        )


def _new_namespace(libc: ctypes.CDLL) -> int:
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
    return os.open(OWN_NET, os.O_RDONLY | os.O_CLOEXEC)


def _talk(messages: list[tuple[int, int, bytes]]) -> None:
    """Send all messages at once; read until the last is acknowledged."""
    parts = []
    for number, (kind, flags, body) in enumerate(messages):
        last = number == len(messages) - 1
        parts.append(
            struct.pack("=IHHII", 16 + len(body), kind, flags | last * ACK, number + 1, 0) + body
        )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(b"".join(parts))
        sequence = 0
        while sequence != len(messages):
            answer = sock.recv(65536)
            sequence, _, code = struct.unpack_from("=IIi", answer, 8)
            if code:
                raise OSError(-code, f"message {sequence}: {os.strerror(-code)}")


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=i", value))


def _link(index: int, *, up: bool = True) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, int(up), int(up))


def _bridge() -> list[tuple[int, int, bytes]]:
    quiet = _attribute(2, _number(1, 0) + _number(5, 0) + _attribute(23, b"\0"))
    info = _attribute(18, _attribute(1, b"bridge\0") + quiet)
    name = _attribute(3, b"switch\0")
    return [(NEWLINK, REQUEST | MAKE, _link(BRIDGE_INDEX) + name + info)]


def _veth(name: str, switch: int) -> tuple[int, int, bytes]:
    """The port is the main device, as only that can be born up; eth0 is its peer and stays here."""
    peer = _link(ETH0_INDEX, up=False) + _attribute(3, b"eth0\0")
    info = _attribute(1, b"veth\0") + _attribute(2, _attribute(1, peer))
    body = _link(0) + _attribute(3, name.encode() + b"\0")
    body += _number(28, switch) + _number(10, BRIDGE_INDEX) + _attribute(18, info)
    return NEWLINK, REQUEST | MAKE, body


def _up(index: int) -> tuple[int, int, bytes]:
    return NEWLINK, REQUEST, _link(index)


def _address(index: int, address: bytes) -> list[tuple[int, int, bytes]]:
    body = struct.pack("=BBBBi", socket.AF_INET, HOSTS.prefixlen, 0, 0, index)
    return [(NEWADDR, REQUEST | MAKE, body + _attribute(2, address) + _attribute(1, address))]


def _default_route(gateway: bytes) -> tuple[int, int, bytes]:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)
    return NEWROUTE, REQUEST | MAKE, body + _attribute(5, gateway)
