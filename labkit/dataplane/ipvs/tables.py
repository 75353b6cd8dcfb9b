"""What IPVS mode keeps in a node's kernel, as frozen data, and its text as the tools print it.

Source: ipvsadm(8), ipset(8), ip-address(8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.cluster.model import Protocol
from labkit.dataplane.rules import Ruleset

DUMMY: Final = "kube-ipvs0"
"""The device that holds the addresses of Services, so that the kernel takes their packets in."""
HASH_SIZE: Final = "hashsize 1024 maxelem 65536 bucketsize 12"
LETTERS: Final = {Protocol.TCP: "-t", Protocol.UDP: "-u", Protocol.SCTP: "--sctp-service"}


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """An address and port of a virtual or real server."""

    ip: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.ip}:{self.port}"


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
    def key(self) -> tuple[Protocol, Address]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsRules:
    """Everything that one node holds in IPVS mode."""

    virtual_servers: tuple[VirtualServer, ...] = ()
    ipsets: tuple[IPSet, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()
    """Of ``kube-ipvs0``."""
    iptables: Ruleset = field(default_factory=Ruleset)

    def text(self) -> str:
        """What the four tools print of it, each under a line that names the tool."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield "# ipvsadm -Sn"
        for server in self.virtual_servers:
            yield from server.lines()
        yield "# ipset save"
        for ipset in self.ipsets:
            yield from ipset.lines()
        yield "# ip -br addr"
        yield " ".join([DUMMY, "DOWN", *(f"{address}/32" for address in self.addresses)])
        yield "# iptables-save"
        yield from self.iptables.text().splitlines()
