"""What the tools of a real node printed is told apart, kept, and refused where it is nobody's."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Protocol
from labkit.dataplane.dump.apply import DumpPlane
from labkit.dataplane.dump.parse import moved, parse
from labkit.dataplane.ipvs.render import render
from labkit.dataplane.ipvs.tables import Address
from labkit.errors import UsageError
from tests.recorded import TRUTH, every_service

FILTER = "*filter\n:INPUT DROP [12:34]\n-A INPUT -s 10.0.0.7/32 -j ACCEPT\nCOMMIT\n"
NFT = "table ip kube-proxy {\n\tchain a {\n\t\tdrop\n\t}\n}\n"
SERVERS = "-A -t 10.0.0.1:80 -s mh -p 60 -b mh-port\n-a -t 10.0.0.1:80 -r 10.1.0.2:8080 -m -w 1\n"
SETS = "create A hash:ip family inet hashsize 1024 maxelem 65536\nadd A 10.0.0.1\n"


def test_each_tools_lines_are_told_apart_in_any_order() -> None:
    dump = parse(
        f"# node1\n{SERVERS}{FILTER}{SETS}{NFT}\nkube-ipvs0 DOWN 10.0.0.1/32 fe80::1/64", "f"
    )

    assert (dump.iptables, dump.nft, dump.ipsets) == (FILTER, NFT, SETS)
    assert dump.addresses == (IPv4Address("10.0.0.1"),)
    (server,) = dump.virtual_servers
    assert (server.protocol, server.address) == (Protocol.TCP, Address(IPv4Address("10.0.0.1"), 80))
    assert (server.scheduler, server.persistent_s, server.hash_ports) == ("mh", 60, True)
    assert server.real_servers == (Address(IPv4Address("10.1.0.2"), 8080),)


def test_what_labkit_prints_can_be_read_back() -> None:
    cluster = every_service()
    rules = render(cluster, cluster.nodes[0])

    dump = parse(rules.text(), "f")

    assert dump.iptables == rules.iptables.text()
    assert dump.virtual_servers == rules.virtual_servers
    assert dump.addresses == rules.addresses


def test_a_dump_needs_what_its_tools_need() -> None:
    assert DumpPlane(dump=parse(FILTER, "f")).needs == ()
    assert DumpPlane(dump=parse(NFT, "f")).needs == ("nftables",)
    assert "ip_vs" in DumpPlane(dump=parse(SERVERS, "f")).needs


def test_tables_of_other_families_are_left_out() -> None:
    text = NFT.replace("table ip ", "table ip6 ")

    assert parse(text + NFT, "f").nft == NFT


def test_servers_of_ipv6_and_those_that_run_dry_get_nothing() -> None:
    more = "-A -t [fd00::1]:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.3:8080 -m -w 0\n"

    assert parse(SERVERS + more, "f").virtual_servers == parse(SERVERS, "f").virtual_servers


def test_addresses_that_the_lab_changed_are_changed_in_the_dump() -> None:
    dump = parse(FILTER + SERVERS, "f")

    found = moved(dump, {"10.0.0.7": "192.0.2.7", "10.1.0.2": "192.0.2.2", "0.0.0.1": "1.1.1.1"})

    assert "-s 192.0.2.7/32" in found.iptables
    assert found.virtual_servers[0].real_servers == (Address(IPv4Address("192.0.2.2"), 8080),)
    assert found.virtual_servers[0].address == dump.virtual_servers[0].address


def test_without_a_device_what_is_served_and_not_the_nodes_own_is_bound() -> None:
    cluster = every_service()
    node = cluster.node_by_name["node1"]
    text = (TRUTH / "rules/ipvs/node1.ipvs-ipset.txt").read_text()
    whole = parse(text, "f")
    without = replace(whole, addresses=None)

    found = DumpPlane(dump=without).render(cluster, node)

    assert set(found.addresses or ()) == set(whole.addresses or ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello\n", "f:1: 'hello' is no line of iptables-save"),
        (f"{FILTER}-A -t 10.0.0.1 -s rr\n", "f:5: '-A -t 10.0.0.1 -s rr' is no line of"),
        (f"{SERVERS}-a -t 10.0.0.9:80 -r 10.1.0.2:80 -m -w 1\n", "f:3: '-a -t 10.0.0.9"),
        ("-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.2:80 -g -w 1\n", "f:2: "),
        ("*filter\n:INPUT ACCEPT [0:0]\n", "f:1: this table has no end"),
        ("# nothing\n", "f: holds no rules; save them with"),
        ("", "f: holds no rules"),
    ],
)
def test_what_is_nobodys_line_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, "f")

    assert str(error.value).startswith(problem)
