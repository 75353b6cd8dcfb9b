"""Virtual and real servers of IPVS: messages encoded by pyroute2, sent many at a time.

pyroute2's own IPVS object waits for an answer to each message; a node has thousands.

Source: linux/ip_vs.h, IPVS_GENL_NAME; ipvsadm(8).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from itertools import takewhile
from pathlib import Path
from typing import Final

from pyroute2.netlink.generic import ipvs

from labkit.errors import MissingFeature
from labkit.kernel import netlink
from labkit.kernel.generic import NETLINK_GENERIC, family
from labkit.kernel.netlink import HEADER, REQUEST, Request
from labkit.kernel.netns import Namespace

PERSISTENT: Final = 0x1
HASH_PORTS: Final = 0x10
"""IP_VS_SVC_F_SCHED_MH_PORT."""
ALL_FLAGS: Final = 0xFFFFFFFF
EVERY_CLIENT_ITSELF: Final = "255.255.255.255"
MASQUERADE: Final = 0
PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "SCTP": 132}
IPV4_HEX_DIGITS: Final = 8
GENL_HEADER: Final = struct.Struct("=BBxx")
REMEMBERED: Final = 1 << 16
"""Pieces of messages that are kept: pyroute2 takes 0.1 ms to encode one, and a node's servers and
endpoints come again and again."""
REMEDY: Final = "modprobe ip_vs, a kernel with CONFIG_IP_VS, or --kernel uml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the kernel knows a virtual server by: protocol number, address and port."""

    protocol: int
    ip: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port} (protocol {self.protocol})"


@dataclass(frozen=True, slots=True)
class Command:
    """One message, without the header that names IPVS' number."""

    what: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection that IPVS remembers."""

    protocol: int
    client: IPv4Address
    client_port: int
    virtual: IPv4Address
    virtual_port: int
    real: IPv4Address
    real_port: int


def connections(namespace: Namespace) -> tuple[Connection, ...]:
    """Return every IPv4 connection that IPVS remembers in a namespace."""
    # thread-self: /proc/net is that of the main thread.
    table = namespace.run(lambda: Path("/proc/thread-self/net/ip_vs_conn").read_text())
    rows = (line.split() for line in table.splitlines()[1:])
    return tuple(_connection(row) for row in rows if len(row[1]) == IPV4_HEX_DIGITS)


def virtual_servers(namespace: Namespace) -> str:
    """Return IPVS' table of a namespace, as /proc shows it; empty without IPVS.

    Without the counts of connections it is another only if somebody has changed it.
    """
    path = Path("/proc/thread-self/net/ip_vs")
    return namespace.run(lambda: path.read_text() if path.exists() else "")


def _connection(row: Sequence[str]) -> Connection:
    protocol, *numbers = row[:7]
    client, client_port, virtual, virtual_port, real, real_port = (int(n, 16) for n in numbers)
    return Connection(
        protocol=PROTOCOLS[protocol],
        client=IPv4Address(client),
        client_port=client_port,
        virtual=IPv4Address(virtual),
        virtual_port=virtual_port,
        real=IPv4Address(real),
        real_port=real_port,
    )


def real_servers(namespace: Namespace, server: Server) -> int | None:
    """Return how many real servers an IPv4 virtual server has; None if there is no such server."""
    table = namespace.run(lambda: Path("/proc/thread-self/net/ip_vs").read_text())
    protocol = next(name for name, number in PROTOCOLS.items() if number == server.protocol)
    head = [protocol, f"{int(server.ip):08X}:{server.port:04X}"]
    rows = iter(table.splitlines())
    if not any(row.split()[:2] == head for row in rows):
        return None
    return sum(1 for _ in takewhile(lambda row: row.lstrip().startswith("->"), rows))


def flush() -> Command:
    """Forget every virtual server."""
    return _command("flush the virtual servers", ipvs.IPVS_CMD_FLUSH)


def add_server(
    server: Server, *, scheduler: str, persistent_s: int | None, hash_ports: bool
) -> Command:
    """Add a virtual server without real ones."""
    wanted = _service(server, scheduler, persistent_s, hash_ports=hash_ports)
    return _command(f"add virtual server {server}", ipvs.IPVS_CMD_NEW_SERVICE, wanted)


def change_server(
    server: Server, *, scheduler: str, persistent_s: int | None, hash_ports: bool
) -> Command:
    """Give a virtual server another scheduler or persistence; its real servers stay."""
    wanted = _service(server, scheduler, persistent_s, hash_ports=hash_ports)
    return _command(f"change virtual server {server}", ipvs.IPVS_CMD_SET_SERVICE, wanted)


def delete_server(server: Server) -> Command:
    """Delete a virtual server and its real ones."""
    return _command(f"delete virtual server {server}", ipvs.IPVS_CMD_DEL_SERVICE, _key(server))


def add_real_server(server: Server, ip: IPv4Address, port: int) -> Command:
    """Add a real server by masquerading, with weight 1."""
    what = f"add real server {ip}:{port} to {server}"
    return _command(what, ipvs.IPVS_CMD_NEW_DEST, _key(server), _new_real(ip, port))


def delete_real_server(server: Server, ip: IPv4Address, port: int) -> Command:
    """Delete a real server; its connections end with their next packet."""
    what = f"delete real server {ip}:{port} of {server}"
    real = _encoded(["IPVS_CMD_ATTR_DEST", {"attrs": _real(ip, port)}])
    return _command(what, ipvs.IPVS_CMD_DEL_DEST, _key(server), real)


def send(namespace: Namespace, commands: Sequence[Command]) -> None:
    """Send commands, as many as fit at a time, and wait until the kernel has done them all.

    Raises:
        MissingFeature: the kernel has no IPVS.
        KernelError: the first command that was refused.
    """

    def act() -> None:
        with netlink.open_netlink(NETLINK_GENERIC) as sock:
            number = family(sock, ipvs.GENL_NAME)
            if number is None:
                raise MissingFeature("ip_vs", found="the kernel does not know IPVS", remedy=REMEDY)
            requests = [Request(each.what, number, REQUEST, each.body) for each in commands]
            netlink.send(sock, requests, where=namespace.name)

    if commands:
        namespace.run(act)


def _command(what: str, command: int, *attributes: bytes) -> Command:
    header = GENL_HEADER.pack(command, ipvs.GENL_VERSION)
    return Command(what, header + b"".join(attributes))


def _encoded(attribute: list[object]) -> bytes:
    """One attribute as pyroute2 encodes it: what it puts behind the headers of a message."""
    message = ipvs.ipvsmsg()
    message["attrs"] = [attribute]
    message.encode()
    return bytes(message.data[HEADER.size + GENL_HEADER.size :])


@lru_cache(maxsize=REMEMBERED)
def _key(server: Server) -> bytes:
    return _encoded(["IPVS_CMD_ATTR_SERVICE", {"attrs": _identity(server)}])


@lru_cache(maxsize=REMEMBERED)
def _new_real(ip: IPv4Address, port: int) -> bytes:
    wanted = [
        ["IPVS_DEST_ATTR_FWD_METHOD", MASQUERADE],
        ["IPVS_DEST_ATTR_WEIGHT", 1],
        ["IPVS_DEST_ATTR_U_THRESH", 0],
        ["IPVS_DEST_ATTR_L_THRESH", 0],
    ]
    return _encoded(["IPVS_CMD_ATTR_DEST", {"attrs": [*_real(ip, port), *wanted]}])


def _identity(server: Server) -> list[object]:
    return [
        ["IPVS_SVC_ATTR_AF", socket.AF_INET],
        ["IPVS_SVC_ATTR_PROTOCOL", server.protocol],
        ["IPVS_SVC_ATTR_ADDR", str(server.ip)],
        ["IPVS_SVC_ATTR_PORT", server.port],
    ]


def _service(
    server: Server, scheduler: str, persistent_s: int | None, *, hash_ports: bool
) -> bytes:
    flags = (PERSISTENT if persistent_s is not None else 0) | (HASH_PORTS if hash_ports else 0)
    wanted = [
        ["IPVS_SVC_ATTR_SCHED_NAME", scheduler],
        ["IPVS_SVC_ATTR_FLAGS", {"flags": flags, "mask": ALL_FLAGS}],
        ["IPVS_SVC_ATTR_TIMEOUT", persistent_s or 0],
        ["IPVS_SVC_ATTR_NETMASK", EVERY_CLIENT_ITSELF],
    ]
    return _encoded(["IPVS_CMD_ATTR_SERVICE", {"attrs": [*_identity(server), *wanted]}])


def _real(ip: IPv4Address, port: int) -> list[object]:
    return [
        ["IPVS_DEST_ATTR_ADDR_FAMILY", socket.AF_INET],
        ["IPVS_DEST_ATTR_ADDR", str(ip)],
        ["IPVS_DEST_ATTR_PORT", port],
    ]
