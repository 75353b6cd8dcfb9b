"""Virtual and real servers of IPVS: messages encoded here and sent many at a time.

A node has tens of thousands. pyroute2 takes 0.1 ms to encode one and waits for each one's answer.

Source: linux/ip_vs.h, IPVS_GENL_NAME; ipvsadm(8).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import chain, takewhile
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from labkit.errors import MissingFeature
from labkit.kernel import netlink
from labkit.kernel.generic import NETLINK_GENERIC, family
from labkit.kernel.netlink import REQUEST, Request, Said
from labkit.kernel.netns import Namespace

FAMILY_NAME: Final = "IPVS"
VERSION: Final = 1
NEW_SERVICE, SET_SERVICE, DELETE_SERVICE, NEW_DEST, DELETE_DEST, FLUSH = 1, 2, 3, 5, 7, 17
ATTR_SERVICE, ATTR_DEST = 1, 2
PERSISTENT: Final = 0x1
HASH_PORTS: Final = 0x10
"""IP_VS_SVC_F_SCHED_MH_PORT."""
ALL_FLAGS: Final = 0xFFFFFFFF
EVERY_CLIENT_ITSELF: Final = IPv4Address("255.255.255.255")
MASQUERADE: Final = 0
PROTOCOLS: Final = {"TCP": 6, "UDP": 17, "SCTP": 132}
Real: TypeAlias = tuple[IPv4Address, int]
"""What a virtual server knows a real one by: address and port."""
IPV4_HEX_DIGITS: Final = 8
GENL_HEADER: Final = struct.Struct("=BBxx")
IDENTITY: Final = struct.Struct("=HHH2x HHH2x HH4s HH2s2x")
"""Address family, protocol, address and port of a virtual server, each behind its length and kind.

Addresses and ports are in network byte order, all else is in the host's.
"""
REAL_IDENTITY: Final = struct.Struct("=HH HHH2x HH4s HH2s2x")
"""Address family, address and port of a real server, behind the head of what holds them all."""
NEW_REAL: Final = b"".join(
    # IPVS_DEST_ATTR_FWD_METHOD, _WEIGHT, _U_THRESH and _L_THRESH
    netlink.number(kind, value)
    for kind, value in ((3, MASQUERADE), (4, 1), (5, 0), (6, 0))
)
"""What every real server is made with: masquerading, weight 1, no limits of connections."""
REMEDY: Final = "modprobe ip_vs, a kernel with CONFIG_IP_VS, or --kernel uml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the kernel knows a virtual server by: protocol number, address and port."""

    protocol: int
    ip: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port} (protocol {self.protocol})"


class Command(NamedTuple):
    """One message, without the header that names IPVS' number."""

    what: str | Said
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
    return _command("flush the virtual servers", FLUSH)


def add_server(
    server: Server, *, scheduler: str, persistent_s: int | None, hash_ports: bool
) -> Command:
    """Add a virtual server without real ones."""
    wanted = _service(server, scheduler, persistent_s, hash_ports=hash_ports)
    return _command(Said("add virtual server {}", (server,)), NEW_SERVICE, wanted)


def change_server(
    server: Server, *, scheduler: str, persistent_s: int | None, hash_ports: bool
) -> Command:
    """Give a virtual server another scheduler or persistence; its real servers stay."""
    wanted = _service(server, scheduler, persistent_s, hash_ports=hash_ports)
    return _command(Said("change virtual server {}", (server,)), SET_SERVICE, wanted)


def delete_server(server: Server) -> Command:
    """Delete a virtual server and its real ones."""
    what = Said("delete virtual server {}", (server,))
    return _command(what, DELETE_SERVICE, netlink.attribute(ATTR_SERVICE, _identity(server)))


def add_real_servers(server: Server, real: Iterable[Real]) -> Iterator[Command]:
    """Add real servers by masquerading, with weight 1."""
    head = _head(NEW_DEST) + netlink.attribute(ATTR_SERVICE, _identity(server))
    for ip, port in real:
        what = Said("add real server {}:{} to {}", (ip, port, server))
        yield Command(what, head + _real(ip, port, len(NEW_REAL)) + NEW_REAL)


def delete_real_servers(server: Server, real: Iterable[Real]) -> Iterator[Command]:
    """Delete real servers; their connections end with their next packet."""
    head = _head(DELETE_DEST) + netlink.attribute(ATTR_SERVICE, _identity(server))
    for ip, port in real:
        what = Said("delete real server {}:{} of {}", (ip, port, server))
        yield Command(what, head + _real(ip, port))


def send(namespace: Namespace, commands: Iterable[Command]) -> None:
    """Send commands, as many as fit at a time, and wait until the kernel has done them all.

    Raises:
        MissingFeature: the kernel has no IPVS.
        KernelError: the first command that was refused.
    """
    left = iter(commands)
    first = next(left, None)
    if first is None:
        return

    def act() -> None:
        with netlink.open_netlink(NETLINK_GENERIC) as sock:
            number = family(sock, FAMILY_NAME)
            if number is None:
                raise MissingFeature("ip_vs", found="the kernel does not know IPVS", remedy=REMEDY)
            requests = (
                Request(each.what, number, REQUEST, each.body) for each in chain([first], left)
            )
            netlink.send(sock, requests, where=namespace.name)

    namespace.run(act)


def _command(what: str | Said, command: int, *attributes: bytes) -> Command:
    return Command(what, _head(command) + b"".join(attributes))


def _head(command: int) -> bytes:
    return GENL_HEADER.pack(command, VERSION)


def _identity(server: Server) -> bytes:
    port = server.port.to_bytes(2, "big")
    return IDENTITY.pack(
        *(6, 1, socket.AF_INET),
        *(6, 2, server.protocol),
        *(8, 3, server.ip.packed),
        *(6, 4, port),
    )


def _service(
    server: Server, scheduler: str, persistent_s: int | None, *, hash_ports: bool
) -> bytes:
    flags = (PERSISTENT if persistent_s is not None else 0) | (HASH_PORTS if hash_ports else 0)
    wanted = [
        netlink.text(6, scheduler),
        netlink.attribute(7, struct.pack("=II", flags, ALL_FLAGS)),
        netlink.number(8, persistent_s or 0),
        netlink.attribute(9, EVERY_CLIENT_ITSELF.packed),
    ]
    return netlink.attribute(ATTR_SERVICE, b"".join([_identity(server), *wanted]))


def _real(ip: IPv4Address, port: int, more_bytes: int = 0) -> bytes:
    """A real server's attribute, without what of it follows."""
    return REAL_IDENTITY.pack(
        *(REAL_IDENTITY.size + more_bytes, ATTR_DEST),
        *(6, 11, socket.AF_INET),
        *(8, 1, ip.packed),
        *(6, 2, port.to_bytes(2, "big")),
    )
