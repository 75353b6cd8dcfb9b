"""Whether the tools of IPVS still show what was rendered. Pure, but for iptables' part elsewhere.

Source: net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show; ipset(8), ip-address(8).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from labkit.cluster.model import Protocol
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.tables import Address

Server = tuple[Protocol, Address, frozenset[Address]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Virtual servers with their real ones, elements of ipsets, and addresses of the device."""

    servers: frozenset[Server]
    elements: frozenset[str]
    """Lines of ``ipset save``."""
    addresses: frozenset[IPv4Address]


def rendered(rules: IpvsRules) -> Shown:
    """Return what a node shows that holds all of ``rules``."""
    return Shown(
        servers=frozenset(
            (each.protocol, each.address, frozenset(each.real_servers))
            for each in rules.virtual_servers
        ),
        elements=_elements(line for ipset in rules.ipsets for line in ipset.lines()),
        addresses=frozenset(rules.addresses),
    )


def shown(table: str, ipsets: str, addresses: str) -> Shown:
    """Read what a node shows.

    Args:
        table: ``/proc/net/ip_vs``.
        ipsets: what ``ipset save`` prints.
        addresses: what ``ip -brief -4 address show`` prints of the device.
    """
    return Shown(
        servers=servers(table),
        elements=_elements(ipsets.splitlines()),
        addresses=frozenset(
            IPv4Address(word.removesuffix("/32"))
            for word in addresses.split()
            if word.endswith("/32")
        ),
    )


def _elements(lines: Iterable[str]) -> frozenset[str]:
    return frozenset(line for line in lines if line.startswith("add "))


def servers(table: str) -> frozenset[Server]:
    """Read virtual servers: their lines begin with a protocol, real ones have theirs below."""
    found: dict[tuple[Protocol, Address], set[Address]] = {}
    real: set[Address] = set()
    for line in table.splitlines():
        word, *rest = line.split() or [""]
        if word == "->":
            # The head of the table has such a line of words.
            real |= {_address(rest[0])} if found else set()
        elif word in Protocol.__members__:
            real = found.setdefault((Protocol(word), _address(rest[0])), set())
    return frozenset((*key, frozenset(real)) for key, real in found.items())


def _address(text: str) -> Address:
    """An address and port, both in hexadecimal digits."""
    ip, _, port = text.partition(":")
    return Address(IPv4Address(int(ip, 16)), int(port, 16))
