"""Reads what the tools of a real node printed, in one file and in any order.

``iptables-save``, ``nft list ruleset``, ``ipvsadm -Sn``, ``ipset save`` and ``ip -br addr show
kube-ipvs0`` look so different that each line says whose it is. What belongs to iptables, nft and
ipset goes back to these tools as it is.

Source: the manual pages of these tools.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Protocol
from labkit.dataplane.ipvs.tables import DUMMY, Address, VirtualServer
from labkit.errors import UsageError

PROTOCOLS: Final = {"-t": Protocol.TCP, "-u": Protocol.UDP, "--sctp-service": Protocol.SCTP}
NOT_IPV4: Final = "["
"""An IPv6 server is printed as [address]:port."""
TABLE: Final = re.compile(r"\*(\w+)$")
NFT_TABLE: Final = re.compile(r"table (?:(\w+) )?\S+ \{$")
NFT_FAMILIES: Final = ("ip", "inet")
"""Families that see IPv4; a table of another is left out."""
IPV4: Final = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDump:
    """What a node held, by the tool that prints and reads it."""

    file: str
    """Where it was read from, as the user named it."""
    iptables: str = ""
    nft: str = ""
    ipsets: str = ""
    virtual_servers: tuple[VirtualServer, ...] = ()
    addresses: tuple[IPv4Address, ...] | None = None
    """Of ``kube-ipvs0``; None where the dump does not say."""

    def text(self) -> str:
        """The dump again, in the order in which it is installed."""
        servers = "".join(f"{line}\n" for each in self.virtual_servers for line in each.lines())
        device = ""
        if self.addresses is not None:
            bound = " ".join(f"{address}/32" for address in self.addresses)
            device = f"{DUMMY} DOWN {bound}\n"
        return self.nft + self.ipsets + self.iptables + servers + device


@dataclass(slots=True)
class _Parts:
    """What was read so far."""

    iptables: list[str] = field(default_factory=list)
    nft: list[str] = field(default_factory=list)
    ipsets: list[str] = field(default_factory=list)
    servers: dict[tuple[Protocol, Address], VirtualServer] = field(default_factory=dict)
    addresses: tuple[IPv4Address, ...] | None = None


def parse(text: str, file: str) -> NodeDump:
    """Read a dump.

    Args:
        text: what the tools printed.
        file: what problems call it.

    Raises:
        UsageError: a line is no tool's, a table has no end, or there is nothing at all.
    """
    parts = _Parts()
    lines = enumerate(text.splitlines(), 1)
    for number, line in lines:
        try:
            _take(line, lines, parts)
        except (ValueError, KeyError, IndexError) as error:
            raise UsageError(
                f"{file}:{number}: {line.strip()[:80]!r} is no line of iptables-save, nft list "
                "ruleset, ipvsadm -Sn, ipset save or ip -br addr"
            ) from error
        except _Unfinished as error:
            raise UsageError(
                f"{file}:{number}: this table has no end; is the file whole?"
            ) from error
    dump = NodeDump(
        file=file,
        iptables=_joined(parts.iptables),
        nft=_joined(parts.nft),
        ipsets=_joined(parts.ipsets),
        virtual_servers=tuple(parts.servers.values()),
        addresses=parts.addresses,
    )
    if not dump.text():
        raise UsageError(
            f"{file}: holds no rules; save them with iptables-save or nft list ruleset"
        )
    return dump


def moved(dump: NodeDump, addresses: Mapping[str, str]) -> NodeDump:
    """Return the dump with addresses of the cluster replaced by those that the lab has for them."""
    if not addresses:
        return dump

    def one(found: re.Match[str]) -> str:
        return addresses.get(found[0], found[0])

    return replace(parse(IPV4.sub(one, dump.text()), dump.file), file=dump.file)


class _Unfinished(Exception):  # noqa: N818 - never leaves this module
    """A table began and the file ended."""


Lines = Iterator[tuple[int, str]]


def _take(line: str, lines: Lines, parts: _Parts) -> None:
    """Put one line, or the table that it begins, where it belongs."""
    stripped = line.strip()
    if not stripped or stripped.startswith("#"):
        return
    if TABLE.match(stripped):
        parts.iptables += [stripped, *_until(lines, "COMMIT")]
    elif found := NFT_TABLE.match(line):
        table = [line, *_until(lines, "}")]
        if (found[1] or "ip") in NFT_FAMILIES:
            parts.nft += table
    elif stripped.startswith(("create ", "add ")):
        parts.ipsets.append(stripped)
    elif stripped.split("@")[0].split()[0] == DUMMY:
        parts.addresses = tuple(_device_addresses(stripped))
    else:
        _take_server(stripped.split(), parts)


def _until(lines: Lines, end: str) -> Iterable[str]:
    for _, line in lines:
        yield line
        if line == end:
            return
    raise _Unfinished


def _device_addresses(line: str) -> Iterator[IPv4Address]:
    for word in line.split()[2:]:
        address, _, _prefix = word.partition("/")
        if ":" not in address:
            yield IPv4Address(address)


def _take_server(words: list[str], parts: _Parts) -> None:
    command, kind, address, *options = words
    if address.startswith(NOT_IPV4):
        return
    key = PROTOCOLS[kind], _address(address)
    if command == "-A":
        parts.servers[key] = _virtual(*key, options)
    elif command == "-a":
        real, weight = _option(options, "-r"), _option(options, "-w")
        if real is None or "-m" not in options:
            raise ValueError(words)
        if weight != "0":  # one that kube-proxy lets run dry gets no new connections
            before = parts.servers[key]
            servers = (*before.real_servers, _address(real))
            parts.servers[key] = replace(before, real_servers=servers)
    else:
        raise ValueError(words)


def _virtual(protocol: Protocol, address: Address, options: list[str]) -> VirtualServer:
    persistent = _option(options, "-p")
    return VirtualServer(
        protocol=protocol,
        address=address,
        scheduler=_option(options, "-s") or "wlc",
        persistent_s=int(persistent) if persistent else None,
        hash_ports="mh-port" in (_option(options, "-b") or ""),
    )


def _option(options: list[str], name: str) -> str | None:
    return options[options.index(name) + 1] if name in options else None


def _address(text: str) -> Address:
    ip, _, port = text.rpartition(":")
    return Address(IPv4Address(ip), int(port))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
