"""The rendered nftables rules are those that the real kube-proxy left in three nodes' kernels."""

from __future__ import annotations

import pytest

from labkit.cluster.model import Cluster
from labkit.dataplane.nftables.render import render
from tests.recorded import TRUTH, every_service
from tests.unit.dataplane.nft_text import Table, read_tables

NODES = ("node1", "node2", "node3")


@pytest.fixture(scope="module")
def everything() -> Cluster:
    return every_service()


def recorded(node: str) -> Table:
    text = (TRUTH / f"rules/nftables/{node}.nft.txt").read_text()
    return read_tables(text)["kube-proxy"]


@pytest.mark.parametrize("name", NODES)
def test_the_rules_are_those_of_the_real_kube_proxy(everything: Cluster, name: str) -> None:
    real = recorded(name)

    ours = read_tables(render(everything, everything.node_by_name[name]).text())["kube-proxy"]

    assert len(real) > 40
    assert set(ours) == set(real)
    assert {each: ours[each] for each in real} == real


def test_the_recorded_rules_differ_from_node_to_node() -> None:
    first, second, third = map(recorded, NODES)

    assert first != second
    assert second != third


def test_pods_are_hidden_by_a_table_of_the_cnis_own(everything: Cluster) -> None:
    (rule,) = [
        line
        for line in read_tables(render(everything, everything.nodes[0]).text())["cni"][
            "postrouting"
        ].statements
        if "masquerade" in line
    ]

    assert rule.startswith("ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 masquerade")
