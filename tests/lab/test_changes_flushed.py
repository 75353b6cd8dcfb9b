"""Rules that somebody has flushed are there again after the next change, or at once by `Lab.sync`.

Source: kubernetes test/e2e/network/networking.go, "should recreate its iptables rules if they are
deleted". kube-proxy watches a chain of its own; a lab looks whenever it changes.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

import labkit
from tests.lab.changing import pod, service

IP_VS_SO_SET_FLUSH = 64 + 1024 + 64 + 5
"""linux/ip_vs.h"""
OTHER = [{"port": 80, "nodePort": 30081}]
TABLES = ("nat", "filter", "mangle")


def run(cluster: labkit.Lab, *commands: str) -> None:
    """Do the same to both nodes."""
    for node in ("node1", "node2"):
        cluster.exec(node, ["sh", "-ec", "\n".join(commands)], check=True)


def iptables(cluster: labkit.Lab) -> str:
    """The iptables whose rules node1 has: kernels without nf_tables have the older one."""
    listed = cluster.exec("node1", ["iptables-nft", "-t", "nat", "-S", "POSTROUTING"])
    return "iptables-nft" if "KUBE-POSTROUTING" in listed.stdout else "iptables-legacy"


def delete_chains(cluster: labkit.Lab) -> None:
    tool = iptables(cluster)
    run(cluster, *(f"{tool} -t {table} {how}" for table in TABLES for how in ("-F", "-X")))


def flush_nat(cluster: labkit.Lab) -> None:
    run(cluster, f"{iptables(cluster)} -t nat -F")


def delete_a_jump(cluster: labkit.Lab) -> None:
    run(cluster, f"{iptables(cluster)} -t nat -D PREROUTING 1")


def flush_ruleset(cluster: labkit.Lab) -> None:
    run(cluster, "nft flush ruleset")


def flush_a_chain(cluster: labkit.Lab) -> None:
    run(cluster, "nft flush chain ip kube-proxy services")


def delete_elements(cluster: labkit.Lab) -> None:
    run(cluster, "nft flush map ip kube-proxy service-nodeports")


def flush_virtual_servers(cluster: labkit.Lab) -> None:
    for node in ("node1", "node2"):
        with cluster.socket(node, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
            sock.setsockopt(socket.IPPROTO_IP, IP_VS_SO_SET_FLUSH, b"")


def flush_ipsets(cluster: labkit.Lab) -> None:
    run(cluster, "ipset flush")


def flush_addresses(cluster: labkit.Lab) -> None:
    run(cluster, "ip address flush dev kube-ipvs0")


Damage = Callable[[labkit.Lab], None]
DAMAGE: dict[str, tuple[Damage, ...]] = {
    "iptables": (delete_chains, flush_nat, delete_a_jump),
    "nftables": (flush_ruleset, flush_a_chain, delete_elements),
    "ipvs": (flush_virtual_servers, flush_ipsets, flush_addresses, delete_chains, flush_nat),
}


def works(cluster: labkit.Lab) -> bool:
    """Whether a client gets an answer by node2's NodePort, and by the ClusterIP."""
    asked = [cluster.probe("client", to=to, attempts=2) for to in ("node2:30080", "web:80")]
    return all(each.outcome == "connected" for each in asked)


@pytest.fixture
def whole(cluster: labkit.Lab) -> labkit.Lab:
    """The lab with a Service that works."""
    service(cluster)
    assert works(cluster)
    return cluster


@pytest.mark.timeout(120)
def test_flushed_rules_are_restored_by_the_next_change(whole: labkit.Lab) -> None:
    for number, damage in enumerate(DAMAGE[whole.cluster.dataplane]):
        damage(whole)
        assert not works(whole), damage

        service(whole, f"other-{number}", ports=[{"port": 80, "nodePort": 30081 + number}])

        assert works(whole), damage


def test_flushed_rules_are_restored_by_a_change_that_needs_no_rule(whole: labkit.Lab) -> None:
    delete = flush_ruleset if whole.cluster.dataplane == "nftables" else delete_chains
    delete(whole)

    pod(whole, "other", "node2", {"labels": {"app": "other"}})

    assert works(whole)


def test_flushed_rules_are_restored_when_it_is_asked_for(whole: labkit.Lab) -> None:
    DAMAGE[whole.cluster.dataplane][0](whole)

    whole.sync()

    assert works(whole)


def test_what_others_add_stays(whole: labkit.Lab) -> None:
    """Only what is missing is restored: a lab's user may have rules of his own."""
    ours = "-p tcp --dport 30081 -j DROP"
    if whole.cluster.dataplane == "nftables":
        run(whole, "nft add table ip mine")
        listed = ["nft", "list", "tables"]
    else:
        run(whole, f"{iptables(whole)} -t mangle -A PREROUTING {ours}")
        listed = [iptables(whole), "-t", "mangle", "-S"]
    before = whole.exec("node1", listed, check=True).stdout

    service(whole, "other", ports=OTHER)
    whole.sync()

    assert whole.exec("node1", listed, check=True).stdout == before
    assert works(whole)
