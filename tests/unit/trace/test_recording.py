from __future__ import annotations

import pytest

from labkit.kernel.rule_events import RuleEvent
from labkit.trace.recording import Place, traversals
from tests.unit.trace.recordings import NAT, step

SYN = bytes.fromhex(
    "4500003c350340004006000ac0a80064c0a80002ec1675800287cf8200000000a002faf081e50000"
)


def event(
    packet: int,
    table: str,
    chain: str,
    rule: int,
    *,
    drops: bool | None = False,
    header: bytes = b"",
) -> RuleEvent:
    return RuleEvent(packet, table, chain, rule, drops, 0, header)


def test_a_header_begins_a_traversal_and_later_events_of_the_packet_go_on_with_it() -> None:
    events = [
        event(1, "nat", "PREROUTING", 3, header=SYN),
        event(2, "filter", "FORWARD", 5, header=SYN),
        event(1, "nat", "KUBE-SERVICES", 4),
        event(1, "filter", "FORWARD", 6, header=SYN),
    ]

    found = traversals(events, {})

    assert [[each.place.chain for each in one.steps] for one in found] == [
        ["PREROUTING", "KUBE-SERVICES"],
        ["FORWARD"],
        ["FORWARD"],
    ]
    assert str(found[0].packet.destination) == "192.168.0.2"
    assert found[0].packet.dport == 30080


def test_events_without_a_header_before_them_are_left_out() -> None:
    assert traversals([event(7, "nat", "PREROUTING", 3)], {}) == ()


@pytest.mark.parametrize(
    ("text", "drops", "rejects"),
    [
        ("-A X -j DROP", True, False),
        ("-A X -j REJECT --reject-with icmp-port-unreachable", True, True),
        ('-A X -m comment --comment "DROP it" -j ACCEPT', False, False),
        ("-P INPUT DROP", True, False),
    ],
)
def test_a_legacy_rules_text_tells_whether_it_drops(
    text: str, *, drops: bool, rejects: bool
) -> None:
    place = Place("filter", "X", 1)

    (found,) = traversals([event(1, "filter", "X", 1, drops=None, header=SYN)], {place: text})

    assert (found.steps[0].drops, found.steps[0].rejects) == (drops, rejects)


def test_nf_tables_own_word_counts_and_not_the_rules_text() -> None:
    place = Place("kube-proxy", "services", 1)
    text = "ip daddr vmap { 10.0.0.1 : drop, 10.0.0.2 : accept }"

    (found,) = traversals([event(1, *place, header=SYN)], {place: text})

    assert not found.steps[0].drops


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("-A X -j DNAT --to-destination 10.0.0.1:80", "destination"),
        (
            "meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.0.0.1 . 80 }",
            "destination",
        ),
        ("-A X -j MASQUERADE --random-fully", "source"),
        ("masquerade fully-random", "source"),
        ('-A X -m comment --comment "for MASQUERADE" -j MARK', ""),
    ],
)
def test_what_a_rule_rewrites_is_read_from_its_words(text: str, field: str) -> None:
    assert step("nat", "X", 1, text).translates == field


def test_the_way_to_a_rule_leaves_out_chains_that_were_returned_from() -> None:
    assert NAT.chains_to(4) == ("PREROUTING", "KUBE-SERVICES", "KUBE-EXT-A", "KUBE-MARK-MASQ")
    assert NAT.chains_to(6) == ("PREROUTING", "KUBE-SERVICES", "KUBE-EXT-A", "KUBE-SEP-A")
