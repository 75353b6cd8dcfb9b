"""ipsets: messages encoded by pyroute2, sent many at a time.

pyroute2's own IPSet object waits for an answer to each element; a node has thousands.

Source: linux/netfilter/ipset/ip_set.h; ipset(8).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from pyroute2 import IPSet
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_IPSET
from pyroute2.netlink.nfnetlink import ipset as wire

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netlink import CREATE, EXCLUSIVE, HEADER, REQUEST, Request
from labkit.kernel.netns import Namespace

NETLINK_NETFILTER: Final = 12
PROTOCOL: Final = 6
HEAD: Final = bytes([socket.AF_INET, 0, 0, 0])
"""struct nfgenmsg"""
LAST_PORT: Final = 65535
WORDS: Final = {
    wire.IPSET_ERR_FIND_TYPE: "the kernel has no such type of set",
    wire.IPSET_ERR_BUSY: "the set is in use",
    wire.IPSET_ERR_TYPE_MISMATCH: "a set of that name has another type",
    wire.IPSET_ERR_EXIST: "the element is there already, or is not there",
    wire.IPSET_ERR_INVALID_CIDR: "the range's prefix length is not allowed",
}
"""ipset's own error numbers, which strerror(3) does not know."""
REMEMBERED: Final = 1 << 16
"""Messages that are kept: to encode one takes long, and most are the same on every node."""
_revisions: dict[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
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
    options: list[object] = (
        [["IPSET_ATTR_PORT_FROM", 0], ["IPSET_ATTR_PORT_TO", LAST_PORT]] if bitmap else []
    )
    family = socket.AF_UNSPEC if bitmap else socket.AF_INET
    attributes = [
        ["IPSET_ATTR_TYPENAME", kind],
        ["IPSET_ATTR_REVISION", revision(namespace, kind)],
        ["IPSET_ATTR_FAMILY", family],
        ["IPSET_ATTR_DATA", {"attrs": options}],
    ]
    return _request(f"create ipset {name}", wire.IPSET_CMD_CREATE, name, attributes, CREATE)


def flush(name: str) -> Request:
    """Empty a set."""
    return _request(f"flush ipset {name}", wire.IPSET_CMD_FLUSH, name, [])


@lru_cache(maxsize=REMEMBERED)
def add(name: str, element: Element) -> Request:
    """Add an element; one that is there already is refused."""
    what = f"add {element} to ipset {name}"
    data = ["IPSET_ATTR_DATA", {"attrs": _attributes(element)}]
    return _request(what, wire.IPSET_CMD_ADD, name, [data], EXCLUSIVE)


def delete(name: str, element: Element) -> Request:
    """Delete an element; one that is not there is refused."""
    what = f"delete {element} from ipset {name}"
    data = ["IPSET_ATTR_DATA", {"attrs": _attributes(element)}]
    return _request(what, wire.IPSET_CMD_DEL, name, [data], EXCLUSIVE)


def contents(namespace: Namespace) -> frozenset[bytes]:
    """Return every set with its elements, as the kernel tells it: to compare, not to read.

    Raises:
        KernelError: the kernel refused.
    """
    body = HEAD + netlink.byte(1, PROTOCOL)
    request = Request("list ipsets", NFNL_SUBSYS_IPSET << 8 | wire.IPSET_CMD_LIST, REQUEST, body)

    def act() -> frozenset[bytes]:
        with netlink.open_netlink(NETLINK_NETFILTER) as sock:
            return frozenset(netlink.dump(sock, request, where=namespace.name))

    return namespace.run(act)


def send(namespace: Namespace, requests: Sequence[Request]) -> None:
    """Send requests, as many as fit at a time, and wait until the kernel has done them all.

    Raises:
        KernelError: the first request that was refused.
    """

    def act() -> None:
        with netlink.open_netlink(NETLINK_NETFILTER) as sock:
            netlink.send(sock, requests, where=namespace.name)

    if not requests:
        return
    try:
        namespace.run(act)
    except KernelError as error:
        if error.errno not in WORDS:
            raise
        raise KernelError(error.request, errno=error.errno, message=WORDS[error.errno]) from error


def revision(namespace: Namespace, kind: str) -> int:
    """Return the newest revision of a type that the kernel has; asked once a process."""
    if kind not in _revisions:

        def ask() -> int:
            with IPSet() as ipset:
                newest: int = ipset.get_supported_revisions(kind)[1]
                return newest

        _revisions[kind] = namespace.run(ask)
    return _revisions[kind]


def _request(
    what: str, command: int, name: str, attributes: list[object], flags: int = 0
) -> Request:
    kind = NFNL_SUBSYS_IPSET << 8 | command
    message = wire.ipset_msg()
    message["header"]["type"] = kind  # the meaning of DATA depends on it
    message["nfgen_family"] = socket.AF_INET
    message["attrs"] = [
        ["IPSET_ATTR_PROTOCOL", PROTOCOL],
        ["IPSET_ATTR_SETNAME", name],
        *attributes,
    ]
    message.encode()
    return Request(what, kind, REQUEST | flags, bytes(message.data[HEADER.size :]))


def _attributes(element: Element) -> list[object]:
    found: list[object] = []
    if element.ip is not None:
        found.append(["IPSET_ATTR_IP_FROM", _address(element.ip)])
    if element.port is not None:
        found.append(["IPSET_ATTR_PORT", element.port])
    if element.protocol is not None:
        found.append(["IPSET_ATTR_PROTO", element.protocol])
    if isinstance(element.second, IPv4Network):
        found.append(["IPSET_ATTR_IP2", _address(element.second.network_address)])
        found.append(["IPSET_ATTR_CIDR2", element.second.prefixlen])
    elif element.second is not None:
        found.append(["IPSET_ATTR_IP2", _address(element.second)])
    return found


def _address(address: IPv4Address) -> dict[str, object]:
    return {"attrs": [["IPSET_ATTR_IPADDR_IPV4", str(address)]]}
