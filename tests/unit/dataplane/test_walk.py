"""The walk says which way a packet goes, and which rule sent it there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import Protocol
from labkit.dataplane.iptables.render import render
from labkit.dataplane.names import endpoint_chain
from labkit.dataplane.rule_text import Match, parse_rule
from labkit.dataplane.rules import Ruleset, Table
from labkit.dataplane.walk import Packet, Verdict, walk
from tests.unit.dataplane.clusters import (
    CLIENT,
    CLUSTER_IP,
    HERE,
    LOCAL,
    NODE1,
    NODE_PORT,
    P80,
    THERE,
    WEB,
    cluster,
    send,
)

LAB = cluster(WEB)
TO_NODE_PORT = Packet(source=CLIENT, destination=NODE1.address, dport=NODE_PORT)


def test_the_chains_are_those_that_the_packet_enters_in_order() -> None:
    way = send(cluster(WEB, endpoints=[HERE]), "client", NODE1.address, NODE_PORT).ways[0]

    assert way.chains == (
        "PREROUTING",
        "KUBE-SERVICES",
        "KUBE-NODEPORTS",
        "KUBE-EXT-XPGD46QRK7WJZT7O",
        "KUBE-MARK-MASQ",
        "KUBE-SVC-XPGD46QRK7WJZT7O",
        endpoint_chain(WEB.port_name(P80), Protocol.TCP, "10.180.1.2:80"),
        "FORWARD",
        "KUBE-FORWARD",
        "POSTROUTING",
        "KUBE-POSTROUTING",
    )


def test_the_last_step_is_the_rule_that_did_it() -> None:
    lab = cluster(replace(WEB, external_traffic_policy=LOCAL), endpoints=[THERE])

    (way,) = send(lab, "client", NODE1.address, NODE_PORT).ways

    assert str(way.steps[-1]).startswith("filter -A KUBE-EXTERNAL-SERVICES -p tcp ")
    assert way.steps[-1].rule.comment == "ns1/svc1:p80 has no local endpoints"


def test_a_packet_of_a_known_flow_is_not_translated_by_rules() -> None:
    known = replace(TO_NODE_PORT, state="ESTABLISHED")

    (way,) = walk(render(LAB, NODE1), known, cluster=LAB, node=NODE1)

    assert (way.translated, way.masqueraded) == (False, False)
    assert "PREROUTING" not in way.chains


def test_an_invalid_packet_is_not_forwarded() -> None:
    stray = Packet(source=CLIENT, destination=HERE.address, dport=80, state="INVALID")

    (way,) = walk(render(LAB, NODE1), stray, cluster=LAB, node=NODE1)

    assert way.verdict is Verdict.DROP


def test_a_packet_that_no_rule_is_about_goes_on() -> None:
    packet = Packet(source=CLIENT, destination=HERE.address, dport=80, protocol=Protocol.UDP)

    (way,) = walk(render(LAB, NODE1), packet, cluster=LAB, node=NODE1)

    assert (way.verdict, way.to, way.translated) == (Verdict.ACCEPT, "10.180.1.2:80", False)
    assert way.probability == 1


@pytest.mark.parametrize(
    ("rule", "said"),
    [("-m tos --tos 0x10 -j ACCEPT", "--tos"), ("-j TPROXY", "target TPROXY")],
)
def test_what_the_walk_does_not_know_it_does_not_guess(rule: str, said: str) -> None:
    rules = Ruleset((Table("nat", {"PREROUTING": (rule,)}),))

    with pytest.raises(ValueError, match=said):
        walk(rules, TO_NODE_PORT, cluster=LAB, node=NODE1)


def test_return_goes_back_to_the_chain_before() -> None:
    rules = Ruleset(
        (
            Table(
                "nat",
                {
                    "PREROUTING": ("-j KUBE-FIRST", "-j DNAT --to-destination 10.180.2.2:80"),
                    "KUBE-FIRST": ("-j RETURN", "-j DNAT --to-destination 10.180.1.2:80"),
                },
            ),
        )
    )

    (way,) = walk(rules, TO_NODE_PORT, cluster=LAB, node=NODE1)

    assert way.to == "10.180.2.2:80"


def test_a_rule_is_read_as_iptables_prints_it() -> None:
    text = f'! -s 10.0.0.0/8 -d {CLUSTER_IP}/32 -m comment --comment "a b" -j KUBE-MARK-MASQ'

    rule = parse_rule(text)

    assert rule.matches == (Match("-s", "10.0.0.0/8", negated=True), Match("-d", "172.30.0.41/32"))
    assert (rule.target, rule.comment, rule.text) == ("KUBE-MARK-MASQ", "a b", text)
