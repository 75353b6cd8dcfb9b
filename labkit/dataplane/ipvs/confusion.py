"""Connections that IPVS mistakes for each other.

IPVS knows the answers of a real server by that server's and the client's address and port, whatever
virtual server the client had called. Two flows that have both in common are one to it: one through
a virtual server of the pod's node, whose entry lives on for seconds after its end, and one that
another node has balanced and sends by, its source rewritten to a port of chance. The answers of the
second get the address of the first's virtual server, and nobody knows them.

Source: linux net/netfilter/ipvs/ip_vs_conn.c, ip_vs_conn_out_get; ip_vs_proto_tcp.c, tcp_timeouts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address

from labkit.dataplane.base import Silent
from labkit.dataplane.ipvs.service import IP_PROTOCOL
from labkit.kernel.conntrack import TrackedFlow
from labkit.kernel.ipvs import Connection

_End = tuple[IPv4Address, int]
_Called = tuple[int, IPv4Address, int]
_Answers = tuple[int, IPv4Address, int, IPv4Address, int]
NodeTables = tuple[Iterable[TrackedFlow], Iterable[Connection]]
"""What one node's conntrack and IPVS hold."""


def confused_with(silent: Iterable[Silent], nodes: Sequence[NodeTables]) -> frozenset[Silent]:
    """Return the attempts whose answers some node's IPVS has another connection for."""
    flows: defaultdict[_Called, list[TrackedFlow]] = defaultdict(list)
    held: defaultdict[_Answers, set[_End]] = defaultdict(set)
    for tracked, connections in nodes:
        for flow in tracked:
            flows[flow.sport, flow.destination, flow.dport].append(flow)
        for each in connections:
            answers = (each.protocol, each.client, each.client_port, each.real, each.real_port)
            held[answers].add((each.virtual, each.virtual_port))
    return frozenset(
        attempt
        for attempt in silent
        if any(
            held.get(_answers(attempt, flow), set()) - {(attempt.destination, attempt.dport)}
            for flow in flows.get((attempt.sport, attempt.destination, attempt.dport), ())
        )
    )


def _answers(attempt: Silent, flow: TrackedFlow) -> _Answers:
    """What the answers of an attempt look like on the node of the pod."""
    return (
        IP_PROTOCOL[attempt.protocol],
        flow.reply_destination,
        flow.reply_dport,
        flow.reply_source,
        flow.reply_sport,
    )
