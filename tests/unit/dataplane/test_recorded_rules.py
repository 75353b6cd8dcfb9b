"""The rendered rules are those that the real kube-proxy left in three nodes' kernels."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import pytest

from labkit.cluster.model import Cluster
from labkit.dataplane.iptables.render import render
from labkit.dataplane.rules import Ruleset
from tests.recorded import TRUTH, every_service

NOT_KUBE_PROXYS = ("nat", "KUBE-MARK-DROP")
SAID = re.compile(r'--comment "([^" ]+/[^" ]+)')

Chains = Mapping[tuple[str, str], Sequence[str]]


@pytest.fixture(scope="module")
def everything() -> Cluster:
    return every_service()


def recorded(node: str) -> Chains:
    text = (TRUTH / f"rules/iptables/{node}.iptables-save.txt").read_text()
    chains: dict[tuple[str, str], list[str]] = {}
    table = ""
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chains[table, line[1:].split()[0]] = []
        elif line.startswith("-A"):
            _, chain, rule = line.split(" ", 2)
            chains[table, chain].append(rule)
    chains.pop(NOT_KUBE_PROXYS, None)
    return chains


def rendered(rules: Ruleset) -> Chains:
    return {
        (table.name, chain): list(lines)
        for table in rules.tables
        for chain, lines in table.chains.items()
    }


def in_groups(rules: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Rules by Service port: kube-proxy orders those at random, but not the rules of one."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for rule in rules:
        found = SAID.search(rule)
        groups[found[1] if found else ""].append(rule)
    return groups


@pytest.mark.parametrize("name", ["node1", "node2", "node3"])
def test_the_rules_are_those_of_the_real_kube_proxy(everything: Cluster, name: str) -> None:
    real = recorded(name)

    ours = rendered(render(everything, everything.node_by_name[name]))

    assert set(ours) == set(real)
    for chain, rules in real.items():
        assert in_groups(ours[chain]) == in_groups(rules), chain


@pytest.mark.parametrize("name", ["node1", "node2", "node3"])
def test_what_no_service_has_comes_in_kube_proxys_order(everything: Cluster, name: str) -> None:
    real = recorded(name)

    ours = rendered(render(everything, everything.node_by_name[name]))

    assert ours["nat", "KUBE-SERVICES"][-1] == real["nat", "KUBE-SERVICES"][-1]
    fixed = [chain for chain, rules in real.items() if not any(map(SAID.search, rules))]
    assert len(fixed) > 15
    assert {chain: ours[chain] for chain in fixed} == {chain: real[chain] for chain in fixed}


def test_services_come_in_order_of_their_names(everything: Cluster) -> None:
    ours = rendered(render(everything, everything.nodes[0]))

    groups = list(in_groups(ours["nat", "KUBE-SERVICES"]))

    listed = [group.partition(":")[0] for group in groups if group]
    assert len(listed) > 10
    assert listed == sorted(listed)
