"""ipsets: messages encoded here and sent many at a time.

A node has tens of thousands of elements. pyroute2 takes 0.1 ms to encode one and waits for each
one's answer.

Source: linux/netfilter/ipset/ip_set.h; ipset(8).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Final, NamedTuple

from labkit.errors import KernelError
from labkit.kernel import netfilter, netlink
from labkit.kernel.netlink import CREATE, EXCLUSIVE, REQUEST, Request, Said
from labkit.kernel.netns import Namespace

SUBSYSTEM: Final = 6
PROTOCOL: Final = 6
HEAD: Final = bytes([socket.AF_INET, 0, 0, 0])
"""struct nfgenmsg"""
COMMAND_CREATE, COMMAND_FLUSH, COMMAND_LIST, COMMAND_ADD, COMMAND_DELETE, COMMAND_TYPE = (
    *(2, 4, 7),
    *(9, 10, 13),
)
ATTR_PROTOCOL, ATTR_SETNAME, ATTR_TYPENAME, ATTR_REVISION, ATTR_FAMILY = 1, 2, 3, 4, 5
ATTR_FLAGS, ATTR_DATA = 6, 7
LIST_HEADER: Final = 4
"""IPSET_FLAG_LIST_HEADER: without elements."""
NESTED: Final = 0x8000
NETWORK_ORDER: Final = 0x4000
ADDRESS: Final = struct.Struct("=HHHH4s")
"""An attribute whose one attribute is an IPv4 address."""
IP, PORT, PORT_TO, OF_PROTOCOL, IP2, CIDR2 = 1, 4, 5, 7, 20, 21
IPV4: Final = 1
LAST_PORT: Final = 65535
WORDS: Final = {
    4098: "the kernel has no such type of set",
    4100: "the set is in use",
    4102: "a set of that name has another type",
    4103: "the element is there already, or is not there",
    4104: "the range's prefix length is not allowed",
}
"""ipset's own error numbers, which strerror(3) does not know."""
_revisions: dict[str, int] = {}


class Element(NamedTuple):
    """One element: the parts that the set's type asks for."""

    ip: IPv4Address | None = None
    protocol: int | None = None
    port: int | None = None
    second: IPv4Address | IPv4Network | None = None

    def __str__(self) -> str:
        parts = (self.ip, self.protocol, self.port, self.second)
        return ",".join(str(part) for part in parts if part is not None)


def create(namespace: Namespace, name: str, kind: str) -> Request:
    """Make an empty set of ipset's type ``kind``; one that exists already is fine."""
    bitmap = kind.startswith("bitmap:")
    ports = _port(PORT, 0) + _port(PORT_TO, LAST_PORT) if bitmap else b""
    body = (
        netlink.text(ATTR_TYPENAME, kind)
        + netlink.byte(ATTR_REVISION, revision(namespace, kind))
        + netlink.byte(ATTR_FAMILY, socket.AF_UNSPEC if bitmap else socket.AF_INET)
        + netlink.attribute(ATTR_DATA | NESTED, ports)
    )
    return _request(f"create ipset {name}", COMMAND_CREATE, name, body, CREATE)


def flush(name: str) -> Request:
    """Empty a set."""
    return _request(f"flush ipset {name}", COMMAND_FLUSH, name, b"")


def add(name: str, element: Element) -> Request:
    """Add an element; one that is there already is refused."""
    what = Said("add {} to ipset {}", (element, name))
    data = netlink.attribute(ATTR_DATA | NESTED, _encoded(element))
    return _request(what, COMMAND_ADD, name, data, EXCLUSIVE)


def delete(name: str, element: Element) -> Request:
    """Delete an element; one that is not there is refused."""
    what = Said("delete {} from ipset {}", (element, name))
    data = netlink.attribute(ATTR_DATA | NESTED, _encoded(element))
    return _request(what, COMMAND_DELETE, name, data, EXCLUSIVE)


def headers(sock: socket.socket, *, where: str) -> list[bytes]:
    """Return every set without its elements but with their number, as the kernel tells it.

    Args:
        sock: one of netfilter's, opened in the namespace that is asked.
        where: what messages call the namespace.

    Raises:
        KernelError: the kernel refused.
    """
    flags = netlink.attribute(ATTR_FLAGS | NETWORK_ORDER, LIST_HEADER.to_bytes(4, "big"))
    body = HEAD + netlink.byte(ATTR_PROTOCOL, PROTOCOL) + flags
    return netlink.dump(
        sock, Request("list ipsets", SUBSYSTEM << 8 | COMMAND_LIST, REQUEST, body), where=where
    )


def send(namespace: Namespace, requests: Iterable[Request]) -> None:
    """Send requests, as many as fit at a time, and wait until the kernel has done them all.

    Raises:
        KernelError: the first request that was refused.
    """
    left = iter(requests)
    first = next(left, None)
    if first is None:
        return

    def act() -> None:
        sock = netfilter.conversation(namespace)
        netlink.send(sock, chain([first], left), where=namespace.name)

    try:
        namespace.run(act)
    except KernelError as error:
        if error.errno not in WORDS:
            raise
        raise KernelError(error.request, errno=error.errno, message=WORDS[error.errno]) from error


def revision(namespace: Namespace, kind: str) -> int:
    """Return the newest revision of a type that the kernel has; asked once a process.

    Raises:
        KernelError: it does not have the type.
    """
    if kind not in _revisions:
        body = (
            HEAD
            + netlink.byte(ATTR_PROTOCOL, PROTOCOL)
            + netlink.text(ATTR_TYPENAME, kind)
            + netlink.byte(ATTR_FAMILY, socket.AF_INET)
        )
        what = f"ask for ipset's type {kind}"
        request = Request(what, SUBSYSTEM << 8 | COMMAND_TYPE, REQUEST, body)

        def ask() -> bytes:
            return netlink.ask(netfilter.conversation(namespace), request, where=namespace.name)

        found = netlink.attributes(namespace.run(ask)[len(HEAD) :])
        _revisions[kind] = found[ATTR_REVISION][0]
    return _revisions[kind]


def _request(
    what: str | Said, command: int, name: str, attributes: bytes, flags: int = 0
) -> Request:
    return Request(what, SUBSYSTEM << 8 | command, REQUEST | flags, _about(name) + attributes)


@lru_cache
def _about(name: str) -> bytes:
    """What every message about a set begins with."""
    return HEAD + netlink.byte(ATTR_PROTOCOL, PROTOCOL) + netlink.text(ATTR_SETNAME, name)


def _encoded(element: Element) -> bytes:
    found = b""
    if element.ip is not None:
        found += _address(IP, element.ip)
    if element.port is not None:
        found += _port(PORT, element.port)
    if element.protocol is not None:
        found += netlink.byte(OF_PROTOCOL | NETWORK_ORDER, element.protocol)
    if isinstance(element.second, IPv4Network):
        found += _address(IP2, element.second.network_address)
        found += netlink.byte(CIDR2 | NETWORK_ORDER, element.second.prefixlen)
    elif element.second is not None:
        found += _address(IP2, element.second)
    return found


def _address(kind: int, address: IPv4Address) -> bytes:
    return ADDRESS.pack(12, kind | NESTED, 8, IPV4 | NETWORK_ORDER, address.packed)


def _port(kind: int, port: int) -> bytes:
    return netlink.attribute(kind | NETWORK_ORDER, port.to_bytes(2, "big"))
