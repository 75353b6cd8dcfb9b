"""The pieces that IPVS mode keeps in a node's kernel, as frozen data, as the tools print them.

Source: ipvsadm(8), ipset(8), ip-address(8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple, TypeAlias

from labkit.cluster.model import Protocol

DUMMY: Final = "kube-ipvs0"
"""The device that holds the addresses of Services, so that the kernel takes their packets in."""
HASH_SIZE: Final = "hashsize 1024 maxelem 65536 bucketsize 12"
Place: TypeAlias = tuple[str, str, int]
"""Where a Service port comes: its Namespace, its Service, its number among the Service's ports."""
LETTERS: Final = {Protocol.TCP: "-t", Protocol.UDP: "-u", Protocol.SCTP: "--sctp-service"}


class Address(NamedTuple):
    """An address and port of a virtual or real server."""

    ip: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"


ServerKey: TypeAlias = tuple[Protocol, Address]


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualServer:
    """One virtual server; its real servers are reached by masquerading, each with weight 1."""

    protocol: Protocol
    address: Address
    scheduler: str = "rr"
    persistent_s: int | None = None
    """Session affinity: how long a client is remembered; None for none."""
    hash_ports: bool = False
    """Whether the scheduler ``mh`` hashes ports too."""
    real_servers: tuple[Address, ...] = ()

    @property
    def key(self) -> ServerKey:
        """What makes it one of its kind."""
        return self.protocol, self.address

    def lines(self) -> Iterator[str]:
        """The server as ``ipvsadm -Sn`` prints it."""
        server = f"{LETTERS[self.protocol]} {self.address}"
        persistence = f" -p {self.persistent_s}" if self.persistent_s is not None else ""
        flags = " -b mh-port" if self.hash_ports else ""
        yield f"-A {server} -s {self.scheduler}{persistence}{flags}"
        for real in self.real_servers:
            yield f"-a {server} -r {real} -m -w 1"


class Entry(NamedTuple):
    """One element of an ipset; which parts it has, the set's type says."""

    ip: IPv4Address | None = None
    protocol: Protocol | None = None
    port: int | None = None
    second: IPv4Address | IPv4Network | None = None
    """The source: an address or a range."""

    def __str__(self) -> str:
        kind = f"{self.protocol.lower()}:" if self.protocol else ""
        port = f"{kind}{self.port}" if self.port is not None else ""
        second = str(self.second).removesuffix("/32") if self.second else ""
        return ",".join(filter(None, (str(self.ip or ""), port, second)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IPSet:
    """One ipset. Its type is ipset's word: ``hash:ip,port``."""

    name: str
    type: str
    entries: tuple[Entry, ...] = ()

    def lines(self) -> Iterator[str]:
        """The set as ``ipset save`` prints it, without the chance that its hash starts from."""
        bitmap = self.type.startswith("bitmap")
        options = "range 0-65535" if bitmap else f"family inet {HASH_SIZE}"
        yield f"create {self.name} {self.type} {options}"
        for entry in self.entries:
            yield f"add {self.name} {entry}"


Member: TypeAlias = tuple[str, Entry]
"""The name of an ipset and one of its elements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortTables:
    """What one Service port needs on a node; others may need some of it too."""

    place: Place
    virtual_servers: tuple[VirtualServer, ...] = ()
    members: tuple[Member, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()
    """Of ``kube-ipvs0``."""
    refused_to_node: tuple[str, ...] = ()
    """Rules against the node's own calls to load balancers that are not for it."""
