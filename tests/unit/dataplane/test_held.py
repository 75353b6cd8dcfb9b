"""What is still there of rules that somebody has damaged, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import Protocol
from labkit.dataplane.iptables.held import still_held
from labkit.dataplane.iptables.render import render as render_iptables
from labkit.dataplane.ipvs.held import rendered, servers, shown
from labkit.dataplane.ipvs.render import render as render_ipvs
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.tables import Address, VirtualServer
from labkit.dataplane.nftables.changes import whole
from labkit.dataplane.nftables.held import is_held
from labkit.dataplane.nftables.render import render as render_nftables
from labkit.dataplane.rules import Ruleset, table
from tests.unit.dataplane.clusters import CLUSTER_IP, HERE, NODE1, THERE, WEB, cluster
from tests.unit.dataplane.restored import restored, saved

LAB = cluster(replace(WEB, affinity_timeout_s=10800))
IPTABLES = render_iptables(LAB, NODE1)
NFTABLES = render_nftables(LAB, NODE1)
IPVS = render_ipvs(LAB, NODE1)
SAVED = IPTABLES.text().splitlines()
RULES = [number for number, line in enumerate(SAVED) if line.startswith("-A ")]
TABLES = [number for number, line in enumerate(SAVED) if line.startswith("*")]


def without(number: int) -> str:
    return "\n".join(line for at, line in enumerate(SAVED) if at != number)


def mended(text: str) -> dict[str, dict[str, list[str]]]:
    """What the kernel holds that showed ``text``, after it was given what it lacks."""
    update = IPTABLES.changes_from(still_held(IPTABLES, text))
    return restored(restored({}, text, flush=True), update, flush=False)


def test_undamaged_rules_are_held_whole_and_so_nothing_is_done() -> None:
    assert still_held(IPTABLES, IPTABLES.text()) == IPTABLES
    assert IPTABLES.changes_from(IPTABLES) == ""


@pytest.mark.parametrize("number", RULES)
def test_each_rule_that_is_missing_is_put_back(number: int) -> None:
    assert mended(without(number)) == saved(IPTABLES)


def test_a_table_that_is_gone_is_made_anew() -> None:
    begins, ends = TABLES[-1], len(SAVED)
    left = "\n".join(line for at, line in enumerate(SAVED) if not begins <= at < ends)

    assert mended(left) == saved(IPTABLES)


def test_a_chain_that_was_emptied_and_deleted_is_made_anew() -> None:
    chain = "KUBE-MARK-MASQ"
    kept = [line for line in SAVED if chain not in line]

    assert mended("\n".join(kept)) == saved(IPTABLES)


def test_rules_of_others_do_not_count_in_chains_that_everybody_shares() -> None:
    theirs = "-A PREROUTING -j THEIRS"
    text = IPTABLES.text().replace("*nat\n", "*nat\n:THEIRS - [0:0]\n")
    text = text.replace("-A PREROUTING", f"{theirs}\n-A PREROUTING", 1)

    assert theirs in text
    assert still_held(IPTABLES, text) == IPTABLES


def test_a_rule_that_was_added_to_a_chain_of_kube_proxy_is_taken_out() -> None:
    first = "-A KUBE-MARK-MASQ"
    text = IPTABLES.text().replace(first, f"{first} -j RETURN\n{first}", 1)

    assert mended(text) == saved(IPTABLES)


def test_the_quotes_of_legacy_iptables_are_the_same_quotes() -> None:
    rules = Ruleset((table("nat", {"POSTROUTING": ('-m comment --comment "node\'s" -j RETURN',)}),))

    assert still_held(rules, rules.text().replace("'", "\\'")) == rules


def test_nft_shows_undamaged_rules_whatever_else_there_is() -> None:
    text = NFTABLES.text()
    sticky = "\t\tflags dynamic,timeout\n"
    theirs = "table ip mine {\n\tchain theirs {\n\t\tdrop\n\t}\n}\n"

    assert is_held(NFTABLES, text)
    assert is_held(NFTABLES, theirs + text)
    assert sticky in text
    learned = "\t\telements = { 203.0.113.2 timeout 3h expires 2h59m }\n\t}"
    name, _, rest = text.partition(sticky)
    assert is_held(NFTABLES, name + sticky + rest.replace("\t}", learned, 1))


def test_nft_shows_each_line_that_is_missing() -> None:
    lines = NFTABLES.text().splitlines(keepends=True)
    said = [at for at, line in enumerate(lines) if line.startswith("\t\t") and line.strip() != "}"]
    assert said
    for at in said:
        assert not is_held(NFTABLES, "".join(lines[:at] + lines[at + 1 :])), lines[at]
    assert not is_held(NFTABLES, "")


def test_whole_tables_take_the_place_of_what_is_left_of_them() -> None:
    name = NFTABLES.tables[0].name

    text = whole(NFTABLES)

    assert text.index(f"add table ip {name}\n") < text.index(f"delete table ip {name}\n")
    assert text.endswith(NFTABLES.text())


IP_VS = """IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  AC1E0029:0050 rr persistent 10800 FFFFFFFF
  -> 0AB40202:0050      Masq    1      0          3
  -> 0AB40102:0050      Masq    1      1          0
UDP  AC1E0029:0035 rr
"""
"""As ip_vs_info_seq_show prints it: 172.30.0.41 with 10.180.2.2 and 10.180.1.2."""


def test_virtual_servers_are_read_from_proc() -> None:
    tcp = VirtualServer(
        protocol=Protocol.TCP,
        address=Address(CLUSTER_IP, 80),
        persistent_s=10800,
        real_servers=(Address(HERE.address, 80), Address(THERE.address, 80)),
    )
    udp = VirtualServer(protocol=Protocol.UDP, address=Address(CLUSTER_IP, 53))

    assert servers(IP_VS) == rendered(IpvsRules.of((udp, tcp))).servers
    assert servers("") == frozenset()


def test_ipsets_and_addresses_are_read_as_the_tools_print_them() -> None:
    ipsets = "\n".join(line for ipset in IPVS.ipsets for line in reversed([*ipset.lines()]))
    addresses = " ".join(f"{address}/32" for address in IPVS.addresses)

    found = shown("", ipsets, f"kube-ipvs0 DOWN {addresses}")

    assert IPVS.addresses
    assert found == replace(rendered(IPVS), servers=frozenset())
    assert shown("", ipsets, "") != found
    assert shown("", "", f"kube-ipvs0 DOWN {addresses}") != found
