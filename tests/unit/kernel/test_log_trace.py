from __future__ import annotations

from itertools import chain, zip_longest

from labkit.kernel.log_trace import PAYLOAD, PREFIX, rule_events

WAY = (
    "raw:PREROUTING:rule:1",
    "mangle:PREROUTING:policy:1",
    "nat:PREROUTING:rule:1",
    "nat:KUBE-SERVICES:rule:4",
    "nat:KUBE-SVC-A:rule:2",
)


def told(packet: bytes) -> list[dict[int, bytes]]:
    return [{PREFIX: f"TRACE: {place} \0".encode(), PAYLOAD: packet} for place in WAY]


def test_a_packet_has_a_header_where_it_enters_a_hook_and_labkits_own_rule_is_left_out() -> None:
    events = rule_events(told(b"one"))

    assert [(each.table, each.rule, each.header) for each in events] == [
        ("mangle", 0, b"one"),
        ("nat", 1, b"one"),
        ("nat", 4, b""),
        ("nat", 2, b""),
    ]


def test_packets_of_two_processors_stay_apart_however_their_messages_mix() -> None:
    mixed = [each for each in chain(*zip_longest(told(b"one"), told(b"two"))) if each]

    events = rule_events(mixed)

    ways: dict[int, list[str]] = {}
    for each in events:
        ways.setdefault(each.packet, []).append(each.chain)
    assert (
        sorted(ways.values())
        == [["PREROUTING"]] * 2 + [["PREROUTING", "KUBE-SERVICES", "KUBE-SVC-A"]] * 2
    )
    assert sum(bool(each.header) for each in events) == 4
