"""The messages that turn a node's tables into others, one for each thing that differs. Pure.

What refuses a message is named by it: a set and its element, a virtual server and its real one.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncService and syncEndpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labkit.dataplane.ipvs.changes import TableChanges
from labkit.dataplane.ipvs.service import IP_PROTOCOL
from labkit.dataplane.ipvs.tables import Member, VirtualServer
from labkit.kernel import ipset, ipvs
from labkit.kernel.ipset import Element
from labkit.kernel.ipvs import Command, Server
from labkit.kernel.netlink import Request


def additions(what: TableChanges) -> Iterator[Request]:
    """What ipsets are given."""
    return (ipset.add(*_named(member)) for member in what.new_members)


def deletions(what: TableChanges) -> Iterator[Request]:
    """What ipsets lose."""
    return (ipset.delete(*_named(member)) for member in what.gone_members)


def commands(what: TableChanges) -> Iterator[Command]:
    """What turns virtual servers into others; what is gone goes first."""
    for before, after in what.servers:
        if before is not None and after is None:
            yield ipvs.delete_server(_server(before))
    for before, after in what.servers:
        if after is not None:
            yield from _add(after) if before is None else _change(before, after)


def _named(member: Member) -> tuple[str, Element]:
    name, entry = member
    return name, Element(
        ip=entry.ip,
        protocol=IP_PROTOCOL[entry.protocol] if entry.protocol else None,
        port=entry.port,
        second=entry.second,
    )


def _add(server: VirtualServer) -> Iterator[Command]:
    key = _server(server)
    yield ipvs.add_server(
        key,
        scheduler=server.scheduler,
        persistent_s=server.persistent_s,
        hash_ports=server.hash_ports,
    )
    yield from ipvs.add_real_servers(key, server.real_servers)


def _change(old: VirtualServer, new: VirtualServer) -> Iterator[Command]:
    key = _server(new)
    if replace(old, real_servers=()) != replace(new, real_servers=()):
        yield ipvs.change_server(
            key,
            scheduler=new.scheduler,
            persistent_s=new.persistent_s,
            hash_ports=new.hash_ports,
        )
    kept = set(old.real_servers).intersection(new.real_servers)
    yield from ipvs.add_real_servers(key, (r for r in new.real_servers if r not in kept))
    yield from ipvs.delete_real_servers(key, (r for r in old.real_servers if r not in kept))


def _server(server: VirtualServer) -> Server:
    return Server(
        protocol=IP_PROTOCOL[server.protocol], ip=server.address.ip, port=server.address.port
    )
