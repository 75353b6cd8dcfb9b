"""The bytes of nf_tables messages are those that nft sends (strace of nftables 1.0.6)."""

from __future__ import annotations

import pytest

from labkit.dataplane.nftables.assemble import UnknownStatement, requests
from labkit.dataplane.nftables.rules import Element
from labkit.dataplane.nftables.steps import AddElements, AddRules, DeleteElements
from labkit.kernel import nf_tables as nf
from labkit.kernel.netlink import Request


def body(request: Request) -> bytes:
    """What follows the name of the table."""
    head = b"\x02\0\0\0" + b"\x06\0\x01\0t\0\0\0"
    assert request.body.startswith(head)
    return request.body.removeprefix(head)


def rule(text: str) -> bytes:
    (request,) = requests("t", [AddRules("c", [text])])
    return body(request)


def test_a_goto() -> None:
    assert rule("goto service-A") == bytes.fromhex(
        "06000200 63000000"
        "44000480 40000180 0e000100 696d6d656469617465000000"
        "2c000280 08000100 00000000 20000280 1c000280 08000100 fffffffc"
        "0e000200 736572766963652d41000000"
    )


def test_a_mark_with_a_comment() -> None:
    assert rule('meta mark set meta mark | 0x00004000 comment "masquerade"') == bytes.fromhex(
        "06000200 63000000"
        "98000480"
        "24000180 09000100 6d657461 00000000 14000280 08000200 00000003 08000100 00000001"
        "4c000180 0c000100 62697477 69736500 3c000280 08000100 00000001 08000200 00000001"
        "08000600 00000000 08000300 00000004 0c000480 08000100 ffbfffff 0c000580 08000100 00400000"
        "24000180 09000100 6d657461 00000000 14000280 08000200 00000003 08000300 00000001"
        "11000700 000b6d61 73717565 72616465 00000000"
    )


def test_an_element_of_a_map() -> None:
    (added,) = requests(
        "t", [AddElements("m", {"172.30.0.41 . tcp . 80": Element(verdict="goto service-A")})]
    )
    (gone,) = requests("t", [DeleteElements("m", ["172.30.0.41 . tcp . 80"])])

    assert body(added) == bytes.fromhex(
        "06000200 6d000000"
        "3c000380 38000180 14000180 10000100 ac1e0029 06000000 00500000"
        "20000280 1c000280 08000100 fffffffc 0e000200 736572766963652d41000000"
    )
    assert body(gone) == bytes.fromhex(
        "06000200 6d000000 1c000380 18000180 14000180 10000100 ac1e0029 06000000 00500000"
    )
    assert (added.type, gone.type) == (10 << 8 | nf.NEW_ELEMENTS, 10 << 8 | nf.DELETE_ELEMENTS)


def test_a_map_of_endpoints_comes_before_the_rule_that_uses_it() -> None:
    targets = "{ 0 : 10.0.0.1 . 80, 1 : 10.0.0.2 . 8080 }"
    text = f"meta l4proto tcp dnat ip to numgen random mod 2 map {targets}"

    new, filled, appended = requests("t", [AddRules("c", [text])])

    assert [str(new.what).split()[:2], str(filled.what).split()[:2], appended.what] == [
        ["add", "set"],
        ["add", "elements"],
        "add rule c",
    ]
    assert body(filled) == bytes.fromhex(
        "08000400 00000001"
        "44000380"
        "20000180 0c000180 08000100 00000000 10000280 0c000100 0a000001 00500000"
        "20000180 0c000180 08000100 01000000 10000280 0c000100 0a000002 1f900000"
    )


def test_very_many_endpoints_fit_their_messages() -> None:
    targets = ", ".join(f"{n} : 10.0.{n >> 8}.{n & 255} . 80" for n in range(3000))
    text = f"meta l4proto udp dnat ip to numgen random mod 3000 map {{ {targets} }}"

    made = requests("t", [AddRules("c", [text])])

    assert len(made) > 3
    assert all(len(request.body) < 1 << 16 for request in made)


@pytest.mark.parametrize(
    "text",
    [
        "tcp dport nowhere accept",
        "goto one goto",
        "meta l4proto icmp",
        "ip saddr != 10.0.0.1 drop; ",
    ],
)
def test_what_no_service_port_says_is_for_nft(text: str) -> None:
    with pytest.raises(UnknownStatement):
        requests("t", [AddRules("c", [text])])
