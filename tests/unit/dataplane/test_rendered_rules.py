"""Rendered rules hold together, whatever the Services are; and so do changes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hypothesis import given, settings

from labkit.cluster.model import Cluster
from labkit.dataplane.iptables.render import render
from labkit.dataplane.rules import BUILT_IN, Ruleset
from tests.unit.dataplane.restored import Tables, restored, saved
from tests.unit.dataplane.strategies import clusters

UNTIMED = settings(deadline=None, max_examples=40)
"""A busy machine is no reason to fail."""
JUMP = re.compile(r"-j (KUBE-\S+)")


def chains_of(rules: Ruleset) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    return {table.name: table.chains for table in rules.tables}


@UNTIMED
@given(clusters())
def test_rendering_twice_gives_the_same_bytes(cluster: Cluster) -> None:
    for node in cluster.nodes:
        assert render(cluster, node).text() == render(cluster, node).text()


@UNTIMED
@given(clusters())
def test_chain_names_are_unique_and_fit_the_kernel(cluster: Cluster) -> None:
    for node in cluster.nodes:
        declared = re.findall(r"^(\*\S+|:\S+)", render(cluster, node).text(), re.MULTILINE)

        table = ""
        seen = set()
        for word in declared:
            table = word if word.startswith("*") else table
            assert (table, word) not in seen
            assert len(word) <= 1 + 28
            seen.add((table, word))


@UNTIMED
@given(clusters())
def test_every_jump_leads_to_a_chain_of_its_table(cluster: Cluster) -> None:
    for node in cluster.nodes:
        for table, chains in chains_of(render(cluster, node)).items():
            targets = {t for rules in chains.values() for rule in rules for t in JUMP.findall(rule)}
            assert targets <= chains.keys(), table


@UNTIMED
@given(clusters())
def test_every_chain_is_jumped_to(cluster: Cluster) -> None:
    for node in cluster.nodes:
        for table, chains in chains_of(render(cluster, node)).items():
            targets = {t for rules in chains.values() for rule in rules for t in JUMP.findall(rule)}
            # NodePorts answer nowhere if nodePortAddresses hold no address of the node.
            idle = {*BUILT_IN[table], "KUBE-PROXY-CANARY", "KUBE-NODEPORTS"}
            # A Service of which no packet needs the SNAT mark still has the chain that sets it.
            assert chains.keys() - idle - {"KUBE-MARK-MASQ"} <= targets


@UNTIMED
@given(clusters())
def test_a_full_install_leaves_exactly_these_rules(cluster: Cluster) -> None:
    rules = render(cluster, cluster.nodes[0])
    before: Tables = {"nat": {"PREROUTING": ["-j OLD"], "OLD": []}}

    assert restored(before, rules.text(), flush=True) == saved(rules)


@UNTIMED
@given(clusters(), clusters())
def test_a_change_turns_the_old_rules_into_the_new(old: Cluster, new: Cluster) -> None:
    before, after = render(old, old.nodes[0]), render(new, new.nodes[0])

    update = after.changes_from(before)

    assert restored(saved(before), update, flush=False) == saved(after)


@UNTIMED
@given(clusters())
def test_no_change_is_no_text(cluster: Cluster) -> None:
    rules = render(cluster, cluster.nodes[0])

    assert rules.changes_from(rules) == ""
