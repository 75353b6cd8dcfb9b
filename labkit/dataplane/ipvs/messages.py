"""The messages that turn a node's tables into others, one for each thing that differs. Pure.

What refuses a message is named by it: a set and its element, a virtual server and its real one.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, syncService and syncEndpoint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labkit.dataplane.ipvs.changes import TableChanges
from labkit.dataplane.ipvs.service import IP_PROTOCOL
from labkit.dataplane.ipvs.tables import Address, Member, VirtualServer
from labkit.kernel import ipset, ipvs
from labkit.kernel.ipset import Element
from labkit.kernel.ipvs import Command, Server
from labkit.kernel.netlink import Request


def additions(what: TableChanges) -> Sequence[Request]:
    """What ipsets are given."""
    return [ipset.add(*_named(member)) for member in what.new_members]


def deletions(what: TableChanges) -> Sequence[Request]:
    """What ipsets lose."""
    return [ipset.delete(*_named(member)) for member in what.gone_members]


def commands(what: TableChanges) -> Sequence[Command]:
    """What turns virtual servers into others; what is gone goes first."""
    gone = [each.before for each in what.servers if each.before and not each.after]
    return [*(ipvs.delete_server(_server(server)) for server in gone), *_changed(what)]


def _changed(what: TableChanges) -> Iterator[Command]:
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


def _add(server: VirtualServer) -> Iterable[Command]:
    yield ipvs.add_server(
        _server(server),
        scheduler=server.scheduler,
        persistent_s=server.persistent_s,
        hash_ports=server.hash_ports,
    )
    yield from _add_real(server, server.real_servers)


def _change(old: VirtualServer, new: VirtualServer) -> Iterable[Command]:
    if replace(old, real_servers=()) != replace(new, real_servers=()):
        yield ipvs.change_server(
            _server(new),
            scheduler=new.scheduler,
            persistent_s=new.persistent_s,
            hash_ports=new.hash_ports,
        )
    kept = set(old.real_servers)
    yield from _add_real(new, [each for each in new.real_servers if each not in kept])
    wanted = set(new.real_servers)
    for each in old.real_servers:
        if each not in wanted:
            yield ipvs.delete_real_server(_server(new), each.ip, each.port)


def _add_real(server: VirtualServer, real: Iterable[Address]) -> Iterable[Command]:
    key = _server(server)
    for each in real:
        yield ipvs.add_real_server(key, each.ip, each.port)


def _server(server: VirtualServer) -> Server:
    return Server(
        protocol=IP_PROTOCOL[server.protocol], ip=server.address.ip, port=server.address.port
    )
