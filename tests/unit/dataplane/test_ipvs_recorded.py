"""IPVS mode's tables are those that the real kube-proxy left in three nodes' kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from labkit.cluster.model import Cluster
from labkit.dataplane.ipvs.render import render
from tests.recorded import TRUTH, every_service
from tests.unit.dataplane.ipvs_text import device, ipsets, servers

NODES = ("node1", "node2", "node3")
NOT_KUBE_PROXYS = (("nat", "KUBE-MARK-DROP"), ("filter", "KUBE-FIREWALL"))
KUBELETS = "-j KUBE-FIREWALL"


@pytest.fixture(scope="module")
def everything() -> Cluster:
    return every_service()


def chains(text: str) -> Mapping[tuple[str, str], Sequence[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            found[table, line[1:].split()[0]] = []
        elif line.startswith("-A"):
            _, chain, rule = line.split(" ", 2)
            if rule != KUBELETS:
                found[table, chain].append(rule)
    for name in NOT_KUBE_PROXYS:
        found.pop(name, None)
    return found


def recorded(node: str) -> Sequence[str]:
    return (TRUTH / f"rules/ipvs/{node}.ipvs-ipset.txt").read_text().splitlines()


@pytest.mark.parametrize("node", NODES)
def test_the_virtual_servers_are_those_of_the_real_kube_proxy(
    everything: Cluster, node: str
) -> None:
    real = servers(recorded(node))

    ours = servers(render(everything, everything.node_by_name[node]).text().splitlines())

    assert len(real) > 30
    assert ours == real


@pytest.mark.parametrize("node", NODES)
def test_the_ipsets_are_those_of_the_real_kube_proxy(everything: Cluster, node: str) -> None:
    real = ipsets(recorded(node))

    ours = ipsets(render(everything, everything.node_by_name[node]).text().splitlines())

    assert len(real) == 17
    assert ours == real


@pytest.mark.parametrize("node", NODES)
def test_kube_ipvs0_has_the_addresses_of_the_real_one(everything: Cluster, node: str) -> None:
    ours = device(render(everything, everything.node_by_name[node]).text().splitlines())

    assert ours == device(recorded(node))


@pytest.mark.parametrize("node", NODES)
def test_the_chains_are_those_of_the_real_kube_proxy(everything: Cluster, node: str) -> None:
    real = chains((TRUTH / f"rules/ipvs/{node}.iptables-save.txt").read_text())

    ours = chains(render(everything, everything.node_by_name[node]).iptables.text())

    assert dict(ours) == dict(real)
