from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.trace.follow import legs
from labkit.trace.packet import ICMP
from labkit.trace.path import Address, Fate, HostKind
from labkit.trace.recording import Host, Traversal
from labkit.trace.trail import Ask
from tests.unit.trace.recordings import (
    ASK,
    ASKED,
    CLIENT,
    DROPPED,
    HOSTS,
    IN,
    MASQUERADED,
    NAT,
    NODE2,
    OUT,
    POD,
    POD_ANSWERS_NODE,
    SNAT,
    TO_POD,
    WITH_SNAT,
    WITHOUT_SNAT,
    packet,
    recording,
    seen,
    step,
)


def test_a_nodeport_with_snat_is_followed_there_and_back() -> None:
    request, reply = legs(WITH_SNAT, ASK)

    assert [hop.host for hop in request.hops] == ["client", "node2", "node2", "web-1"]
    assert request.hops[-1].source == Address(NODE2, 50000)
    assert request.end.fate is Fate.DELIVERED
    assert (reply.is_reply, reply.is_stranger, reply.end.host) == (True, False, "client")


def test_rewrites_name_the_chain_the_way_to_it_and_who_had_marked_the_packet() -> None:
    request, reply = legs(WITH_SNAT, ASK)

    destination, source = request.hops[2].changes
    assert (destination.by, source.by) == ("KUBE-SEP-A", "KUBE-POSTROUTING")
    assert destination.chains == ("PREROUTING", "KUBE-SERVICES", "KUBE-EXT-A", "KUBE-SEP-A")
    assert source.marked_by == "KUBE-EXT-A"
    assert {change.by for change in reply.hops[2].changes} == {"conntrack"}


def test_without_snat_the_answer_is_a_strangers_and_the_client_resets() -> None:
    request, reply, reset = legs(WITHOUT_SNAT, ASK)

    assert request.sent_again == 1
    assert reply.is_stranger
    assert (reset.packet, reset.is_reply, reset.end.fate) == ("RST", False, Fate.LOST)
    assert "eth0" in reset.end.reason


def test_a_dropped_packet_names_the_chain_that_dropped_it() -> None:
    (request,) = legs(DROPPED, ASK)

    assert request.end.fate is Fate.DROPPED
    assert request.end.chains == ("INPUT", "KUBE-EXTERNAL-SERVICES")


def test_rules_of_another_host_do_not_end_a_packet() -> None:
    elsewhere = replace(DROPPED, traversals={"node1": DROPPED.traversals["node2"]})

    (request,) = legs(elsewhere, ASK)

    assert request.end.fate is Fate.DELIVERED


def test_what_a_node_sends_is_known_as_it_was_before_its_own_rules() -> None:
    ask = Ask("node2", ASK.protocol, Address(CLIENT, 30080), 40000)
    asked = packet((NODE2, 40000), (CLIENT, 30080))
    output = Traversal(packet=asked, steps=(step("nat", "KUBE-SEP-A", 6, "-j DNAT"),))
    sent = packet((NODE2, 40000), (POD, 80))
    answer = packet((POD, 80), (NODE2, 40000), flags=POD_ANSWERS_NODE.flags)
    made = recording(
        seen("node2", OUT, sent, 0.0),
        seen("web-1", IN, sent, 0.1),
        seen("web-1", OUT, answer, 0.2),
        seen("node2", IN, answer, 0.3),
        rules={"node2": (output,)},
    )

    request, reply = legs(made, ask)

    assert [(hop.interface, str(hop.destination)) for hop in request.hops[:2]] == [
        ("", "192.168.0.100:30080"),
        ("eth0", "10.244.1.2:80"),
    ]
    assert request.hops[1].changes[0].by == "KUBE-SEP-A"
    assert reply.hops[-1].interface == ""
    assert reply.hops[-1].source == ask.destination
    assert not reply.is_stranger


def test_a_packet_that_rules_drop_before_any_interface_is_still_told() -> None:
    ask = Ask("node2", ASK.protocol, Address(POD, 80), 40000)
    output = Traversal(
        packet=packet((NODE2, 40000), (POD, 80)),
        steps=(step("filter", "OUTPUT", 9, "-A OUTPUT -j REJECT", drops=True),),
    )

    (request,) = legs(recording(rules={"node2": (output,)}), ask)

    assert [(hop.host, hop.interface) for hop in request.hops] == [("node2", "")]
    assert (request.end.fate, request.end.by) == (Fate.REJECTED, "OUTPUT")


def test_nothing_sent_is_no_leg() -> None:
    assert legs(recording(), ASK) == ()


def test_other_connections_are_left_out() -> None:
    other = packet((CLIENT, 40001), (NODE2, 30080), identity=b"other")
    made = replace(WITH_SNAT, captured=(seen("client", OUT, other, 0.05), *WITH_SNAT.captured))

    assert len(legs(made, ASK)) == 2


def test_an_error_about_the_request_is_its_answer() -> None:
    about = replace(ASKED, identity=b"quoted")
    error = replace(
        packet((NODE2, 0), (CLIENT, 0), identity=b"icmp"),
        protocol=ICMP,
        icmp=(3, 3),
        quoted=about,
    )
    made = recording(
        seen("client", OUT, ASKED, 0.0),
        seen("node2", IN, ASKED, 0.1),
        seen("node2", OUT, error, 0.2),
        seen("client", IN, error, 0.3),
    )

    _request, reply = legs(made, ASK)

    assert (reply.packet, reply.is_reply, reply.is_stranger) == (
        "ICMP port unreachable",
        True,
        False,
    )


def test_ipvs_is_named_where_no_rule_rewrote_the_destination() -> None:
    made = replace(WITH_SNAT, traversals={"node2": (SNAT,)}, ipvs=frozenset({"node2"}), losses={})

    request, _reply = legs(made, ASK)

    assert [change.by for change in request.hops[2].changes] == ["IPVS", "KUBE-POSTROUTING"]


@pytest.mark.parametrize(
    ("counter", "words"),
    [
        ("IPReversePathFilter", "rp_filter"),
        ("InNoRoutes", "no route"),
        ("InHdrErrors", "time to live"),
        ("Unknown", "no rule of node2 was seen to drop it"),
    ],
)
def test_a_packet_that_no_rule_dropped_is_lost_for_the_reason_that_counters_give(
    counter: str, words: str
) -> None:
    made = recording(
        seen("client", OUT, TO_POD, 0.0),
        seen("node2", IN, TO_POD, 0.1),
        losses={"node2": {counter: 1}},
    )

    (request,) = legs(made, Ask("client", ASK.protocol, Address(POD, 80), 40000))

    assert request.end.fate is Fate.LOST
    assert words in request.end.reason


def test_a_hosts_own_address_from_outside_is_a_martian_unless_it_is_answered() -> None:
    mine = packet((NODE2, 40000), (POD, 80))
    node = Host(name="node2", kind=HostKind.NODE, addresses=frozenset({NODE2, POD}))
    made = replace(
        recording(seen("client", OUT, mine, 0.0), seen("node2", IN, mine, 0.1)),
        hosts={**HOSTS, "node2": node},
    )
    ask = Ask("client", ASK.protocol, Address(POD, 80), 40000)

    assert "martian" in legs(made, ask)[0].end.reason

    answer = packet((POD, 80), (NODE2, 40000), flags=POD_ANSWERS_NODE.flags)
    answered = replace(made, captured=(*made.captured, seen("node2", OUT, answer, 0.2)))

    assert legs(answered, ask)[0].end.fate is Fate.DELIVERED


def test_copies_at_one_place_are_one_hop_whose_resending_is_counted() -> None:
    again = [
        each._replace(packet=replace(each.packet, time_ns=each.packet.time_ns + 10**9))
        for each in WITHOUT_SNAT.captured[:4]
    ]
    made = replace(WITHOUT_SNAT, captured=(*WITHOUT_SNAT.captured, *again))

    request = legs(made, ASK)[0]

    assert len(request.hops) == 4
    assert request.sent_again == 2


def test_the_masqueraded_form_alone_does_not_hide_the_request() -> None:
    made = replace(WITH_SNAT, captured=WITH_SNAT.captured[2:4], traversals={})

    assert legs(made, ASK) == ()
    assert MASQUERADED.identity == ASKED.identity


def test_hosts_whose_clocks_are_apart_do_not_change_the_story() -> None:
    late = [
        each._replace(packet=replace(each.packet, time_ns=each.packet.time_ns + 10**6))
        if each.host in {"node2", "web-1"}
        else each
        for each in WITH_SNAT.captured
    ]
    by_host = sorted(late, key=lambda each: list(HOSTS).index(each.host))

    request, reply = legs(replace(WITH_SNAT, captured=tuple(by_host)), ASK)

    want = legs(WITH_SNAT, ASK)
    assert [hop.host for hop in request.hops] == [hop.host for hop in want[0].hops]
    assert [hop.host for hop in reply.hops] == [hop.host for hop in want[1].hops]
    assert reply.is_reply


@pytest.mark.parametrize(
    ("arrivals", "grown", "begins"),
    [(2, 2, "there is no route"), (2, 1, "no rule of node2"), (1, 5, "perhaps there is no route")],
    ids=["as often as it came", "less often", "by other packets too"],
)
def test_a_counter_that_other_packets_moved_is_no_certain_reason(
    arrivals: int, grown: int, begins: str
) -> None:
    came = [
        each
        for number in range(arrivals)
        for each in (
            seen("client", OUT, TO_POD, 1000.0 * number),
            seen("node2", IN, TO_POD, 1000.0 * number + 0.1),
        )
    ]
    made = recording(*came, losses={"node2": {"InNoRoutes": grown}})

    (request,) = legs(made, Ask("client", ASK.protocol, Address(POD, 80), 40000))

    assert request.end.reason.startswith(begins)


def test_a_packet_that_routing_discards_after_a_rule_rewrote_it_is_not_delivered() -> None:
    made = recording(
        seen("client", OUT, ASKED, 0.0),
        seen("node2", IN, ASKED, 0.1),
        rules={"node2": (NAT,)},
        losses={"node2": {"InAddrErrors": 1}},
    )

    (request,) = legs(made, ASK)

    assert request.end.fate is Fate.LOST
    assert request.end.reason.startswith("after KUBE-SEP-A had rewritten it, the destination is")
