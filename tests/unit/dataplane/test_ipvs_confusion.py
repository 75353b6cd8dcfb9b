"""An attempt is made again only where the kernel itself says that it took it for another."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from labkit.cluster.model import Protocol
from labkit.dataplane.base import Silent
from labkit.dataplane.ipvs.confusion import confused_with
from labkit.kernel.conntrack import TrackedFlow
from labkit.kernel.ipvs import Connection

CLIENT = IPv4Address("192.168.0.100")
NODE1 = IPv4Address("192.168.0.1")
NODE2 = IPv4Address("192.168.0.2")
POD = IPv4Address("10.244.1.2")
ATTEMPT = Silent(Protocol.TCP, 40000, NODE2, 30080)
SENT_BY_NODE2 = TrackedFlow(
    source=CLIENT,
    sport=40000,
    destination=NODE2,
    dport=30080,
    reply_source=POD,
    reply_sport=80,
    reply_destination=NODE2,
    reply_dport=5555,
)
OLDER = Connection(
    protocol=6,
    client=NODE2,
    client_port=5555,
    virtual=NODE1,
    virtual_port=30080,
    real=POD,
    real_port=80,
)


def test_answers_that_the_pods_node_has_another_connection_for_are_lost() -> None:
    assert confused_with([ATTEMPT], [([], [OLDER]), ([SENT_BY_NODE2], [])]) == {ATTEMPT}


def test_an_attempt_that_no_older_connection_meets_counts() -> None:
    others = (
        replace(OLDER, client_port=5556),
        replace(OLDER, client=NODE1),
        replace(OLDER, real=NODE1),
        replace(OLDER, real_port=81),
        replace(OLDER, protocol=17),
    )

    assert confused_with([ATTEMPT], [([], others), ([SENT_BY_NODE2], [])]) == frozenset()


def test_its_own_connection_is_no_other() -> None:
    own = replace(OLDER, virtual=NODE2)

    assert confused_with([ATTEMPT], [([SENT_BY_NODE2], [own])]) == frozenset()


def test_an_attempt_that_no_node_has_seen_counts() -> None:
    elsewhere = replace(SENT_BY_NODE2, sport=40001)

    assert confused_with([ATTEMPT], [([elsewhere], [OLDER])]) == frozenset()
