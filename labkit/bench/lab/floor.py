"""The least that a lab costs: one unshare and one netlink message a host, nothing else.

Written apart from labkit, on purpose: it is the measure. A LAN bridge, nodes on it, each with a
bridge of its own, pods on those. A host gets a loopback that is up, eth0 on a bridge, an address
and a default route; IPv6 is off. No routes between nodes, no hairpin, no other sysctl, no wait
for the links' carrier, no check of any answer but whether there was an error.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from ipaddress import IPv4Address
from typing import Final

CLONE_NEWNET: Final = 0x40000000
NEW: Final = 0x601
"""NLM_F_REQUEST, NLM_F_CREATE and NLM_F_EXCL."""
ACK: Final = 0x4
LAN, NODE = 2, 3
"""Indexes of the bridges: a node's index 2 is its eth0."""


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded."""
    return struct.pack("=HH", len(payload) + 4, kind) + payload + bytes(-len(payload) % 4)


def message(kind: int, flags: int, body: bytes) -> bytes:
    """One message with its header."""
    return struct.pack("=IHHII", len(body) + 16, kind, flags, 0, 0) + body


def link(index: int, attributes: bytes = b"", *, up: bool = True) -> bytes:
    """The body of a message about a link."""
    return struct.pack("=BxHiII", 0, 0, index, up, up) + attributes


UP_LO: Final = message(16, 1, link(1))
UP_ETH0: Final = message(16, 1, link(2))
PEER: Final = attribute(1, link(2, attribute(3, b"eth0\0"), up=False))
VETH: Final = attribute(18, attribute(1, b"veth\0") + attribute(2, PEER))
NO_SNOOPING: Final = attribute(2, attribute(23, b"\0"))


def new_bridge(index: int) -> bytes:
    """A bridge, the last of its batch."""
    info = attribute(18, attribute(1, b"bridge\0") + NO_SNOOPING)
    return message(16, NEW | ACK, link(index, attribute(3, b"br0\0") + info))


def veth(name: str, namespace: int, bridge: int) -> bytes:
    """A port of the bridge in another namespace, and eth0 here as its peer."""
    attributes = attribute(3, name.encode() + b"\0") + attribute(28, struct.pack("=I", namespace))
    attributes += attribute(10, struct.pack("=I", bridge)) + VETH
    return message(16, NEW, link(0, attributes))


def address(packed: bytes) -> bytes:
    """A /16 address of eth0."""
    body = struct.pack("=BBBBi", socket.AF_INET, 16, 0, 0, 2)
    return message(20, NEW, body + attribute(2, packed) + attribute(1, packed))


def default_route(gateway: bytes) -> bytes:
    """The route to everywhere, the last of a host's messages."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 4, 0, 1, 0)
    return message(24, NEW | ACK, body + attribute(5, gateway))


class Floor:
    """So many pods, evenly on so many nodes. Closing it lets go of the namespaces."""

    def __init__(self, nodes: int, pods: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptors: list[int] = []
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            lan = self._namespace()
            self._send(UP_LO + new_bridge(LAN))
            for number in range(nodes):
                self._node(number, lan, pods // nodes)
        finally:
            self._libc.setns(home, CLONE_NEWNET)
            os.close(home)

    def close(self) -> None:
        """Close every namespace."""
        for descriptor in self._descriptors:
            os.close(descriptor)

    def _node(self, number: int, lan: int, pods: int) -> None:
        node = self._namespace()
        own = address((IPv4Address("192.168.0.2") + number).packed)
        port = veth(f"n{number}", lan, LAN)
        self._send(UP_LO + port + UP_ETH0 + own + new_bridge(NODE))
        network = IPv4Address("10.0.0.0") + (number << 16)
        route = default_route((network + 1).packed)
        for pod in range(pods):
            self._namespace()
            own = address((network + 2 + pod).packed)
            self._send(UP_LO + veth(f"p{pod}", node, NODE) + UP_ETH0 + own + route)

    def _namespace(self) -> int:
        """Make a namespace and stay in it."""
        if self._libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare")
        sysctl = os.open("/proc/sys/net/ipv6/conf/all/disable_ipv6", os.O_WRONLY)
        os.write(sysctl, b"1")
        os.close(sysctl)
        self._descriptors.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        return self._descriptors[-1]

    def _send(self, batch: bytes) -> None:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.send(batch)
            (error,) = struct.unpack_from("=i", sock.recv(4096), 16)
        if error:
            raise OSError(-error, os.strerror(-error))
