"""A node's own firewall, and what kube-proxy's rules let past it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.dataplane import data_plane
from labkit.dataplane.iptables.render import render, render_cni_only
from labkit.dataplane.rules import Ruleset
from labkit.dataplane.walk import Packet, Verdict, Walk, walk
from tests.unit.dataplane.clusters import CLIENT, LOCAL, NODE1, NODE2, NODE_PORT, WEB, cluster

HEALTH = 32000
GUARDED = replace(NODE1, drops_input=True)
LAB = replace(
    cluster(replace(WEB, external_traffic_policy=LOCAL, health_check_node_port=HEALTH)),
    nodes=(GUARDED, NODE2),
)


def send(port: int, *, state: str = "NEW", to: IPv4Address = NODE1.address) -> Walk:
    packet = Packet(source=CLIENT, destination=to, dport=port, state=state)
    (way,) = walk(render(LAB, GUARDED), packet, cluster=LAB, node=GUARDED)
    return way


def test_what_nobody_accepts_is_dropped_and_answers_pass() -> None:
    assert send(22).verdict is Verdict.DROP
    assert send(22, state="ESTABLISHED").verdict is Verdict.ACCEPT


def test_the_health_check_port_is_accepted_before_it() -> None:
    # kubernetes#97225
    assert send(HEALTH).verdict is Verdict.ACCEPT


def test_a_node_port_is_forwarded_and_does_not_meet_it() -> None:
    way = send(NODE_PORT)

    assert (way.verdict, way.to) == (Verdict.ACCEPT, "10.180.1.2:80")


@pytest.mark.parametrize("plane", ["iptables", "ipvs", "nftables", "none"])
def test_it_comes_last_in_input_beside_every_data_plane(plane: str) -> None:
    def of_input(text: str) -> list[str]:
        return [line for line in text.splitlines() if line.startswith("-A INPUT ")]

    rules = of_input(data_plane(plane).render(LAB, GUARDED).text())
    others = of_input(data_plane(plane).render(LAB, NODE2).text())

    assert rules == [
        *others,
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -j DROP",
    ]


def test_a_node_without_it_has_no_filter_table_for_it() -> None:
    assert [each.name for each in render_cni_only(LAB, NODE2).tables] == ["nat"]
    assert isinstance(render_cni_only(LAB, GUARDED), Ruleset)
    assert [each.name for each in render_cni_only(LAB, GUARDED).tables] == ["filter", "nat"]
