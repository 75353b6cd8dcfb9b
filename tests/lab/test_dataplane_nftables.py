"""What nft makes of rendered rules: it takes them, and lists them again as they were given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.dataplane.base import Change
from labkit.dataplane.nftables.apply import NftablesPlane
from labkit.dataplane.nftables.changes import replacement
from labkit.dataplane.nftables.rules import Chain, NftRuleset, NftTable
from labkit.errors import CommandError
from labkit.kernel.netns import Edge, Namespace
from labkit.manifest.load import load
from tests.recorded import SCENARIOS
from tests.unit.dataplane.clusters import NODE1, WEB, cluster
from tests.unit.dataplane.nft_text import Table, read_tables
from tests.unit.dataplane.strategies import clusters
from tests.unit.dataplane.test_updates import OTHER

pytestmark = pytest.mark.labkit_needs("nftables")

EXAMPLES = settings(
    max_examples=50,
    deadline=None,
    # Every example installs whole tables into an empty namespace.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PLANE = NftablesPlane()


@pytest.fixture
def node() -> Iterator[Namespace]:
    with Edge() as edge:
        yield edge.namespace("node1")


def listed(node: Namespace) -> Mapping[str, Table]:
    return read_tables(node.execute(["nft", "list", "ruleset"]))


def in_text(rules: NftRuleset) -> Mapping[str, Table]:
    return read_tables(rules.text())


def install(node: Namespace, rules: NftRuleset, previous: NftRuleset | None = None) -> None:
    PLANE.apply([Change(node, rules, previous)])


def one_rule(rule: str) -> NftRuleset:
    chains = {name: Chain(name=name, rules=(rule,)) for name in ("services",)}
    return NftRuleset((NftTable(name="kube-proxy", chains=chains),))


@pytest.mark.timeout(120)
@EXAMPLES
@given(old=clusters(), new=clusters())
def test_an_update_and_a_full_install_leave_the_same_rules(
    old: Cluster, new: Cluster, node: Namespace
) -> None:
    before, after = PLANE.render(old, old.nodes[0]), PLANE.render(new, new.nodes[0])

    node.execute(["nft", "flush", "ruleset"])
    install(node, before)
    assert listed(node) == in_text(before)

    install(node, after, before)
    assert listed(node) == in_text(after)


@pytest.mark.timeout(120)
def test_every_scenario_can_be_changed_into_every_other(node: Namespace) -> None:
    labs = [build_cluster(load(path)) for path in SCENARIOS]
    rendered = [PLANE.render(lab, lab.nodes[0]) for lab in labs]
    install(node, rendered[0])
    now, seen = rendered[0], 0

    for before, after in permutations(rendered, 2):
        install(node, before, now)
        install(node, after, before)

        assert listed(node) == in_text(after)
        now, seen = after, seen + 1

    assert seen == len(SCENARIOS) * (len(SCENARIOS) - 1)


def test_a_refused_rule_is_quoted(node: Namespace) -> None:
    with pytest.raises(CommandError) as refusal:
        install(node, one_rule("tcp dport nowhere accept"))

    assert "tcp dport nowhere accept" in str(refusal.value)
    assert "node1" in str(refusal.value)


def test_a_refused_change_leaves_all_as_it_was(node: Namespace) -> None:
    before = PLANE.render(cluster(WEB), NODE1)
    broken = NftRuleset((*before.tables[:-1], NftTable(name="new"), *one_rule("goto x").tables))
    install(node, before)

    with pytest.raises(CommandError):
        install(node, broken, before)

    assert listed(node) == in_text(before)


def test_a_change_keeps_the_sources_that_are_held_to_an_endpoint(node: Namespace) -> None:
    held = "192.0.2.1"
    sticky = replace(WEB, affinity_timeout_s=3600)
    before, after = (PLANE.render(cluster(*some), NODE1) for some in ((sticky,), (sticky, OTHER)))
    install(node, before)
    name = next(name for name in in_text(before)["kube-proxy"] if name.startswith("affinity-"))
    node.execute(["nft", "add", "element", "ip", "kube-proxy", name, f"{{ {held} }}"])

    install(node, after, before)

    assert held in node.execute(["nft", "list", "set", "ip", "kube-proxy", name])


def test_the_other_nodes_get_their_rules_when_one_is_refused(node: Namespace) -> None:
    good, bad = PLANE.render(cluster(WEB), NODE1), one_rule("goto nowhere")
    with Edge() as edge:
        others = [edge.namespace(f"node{number}") for number in (2, 3)]
        changes = [Change(node, good, None), *(Change(other, good, None) for other in others)]
        changes[1] = Change(others[0], bad, None)

        with pytest.raises(CommandError) as refusal:
            PLANE.apply(changes)

        assert refusal.value.where == "node2"
        for served in (node, others[1]):
            assert listed(served) == in_text(good)


def test_a_whole_table_is_replaced_where_a_kernel_is_slow_to_let_go(node: Namespace) -> None:
    before, after = (PLANE.render(cluster(*some), NODE1) for some in ((WEB,), ()))
    install(node, before)

    node.execute(["nft", "-f", "-"], stdin=replacement(before, after))

    assert listed(node) == in_text(after)
