"""Rules in small transactions leave what one large one leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from labkit.cluster.model import Cluster
from labkit.dataplane.iptables import pieces
from labkit.dataplane.iptables.pieces import emptied, in_pieces
from labkit.dataplane.iptables.render import render
from labkit.dataplane.rules import BUILT_IN, Ruleset, table
from tests.unit.dataplane.clusters import NODE1, WEB, cluster
from tests.unit.dataplane.restored import restored, saved
from tests.unit.dataplane.strategies import clusters
from tests.unit.dataplane.test_updates import OTHER


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LINES", 5)


@settings(deadline=None, max_examples=25)
@given(clusters())
def test_pieces_leave_what_the_whole_leaves(lab: Cluster) -> None:
    rules = render(lab, NODE1)
    before = restored(saved(render(cluster(WEB, OTHER), NODE1)), emptied(rules.text()), flush=True)

    assert restored(before, in_pieces(rules.text()), flush=False) == saved(rules)


@settings(deadline=None, max_examples=25)
@given(old=clusters(), new=clusters())
def test_pieces_of_a_change_leave_what_the_change_leaves(old: Cluster, new: Cluster) -> None:
    before, after = render(old, NODE1), render(new, NODE1)

    update = in_pieces(after.changes_from(before))

    assert restored(saved(before), update, flush=False) == saved(after)


def test_no_transaction_is_long_and_what_leads_to_the_rules_comes_last() -> None:
    text = in_pieces(render(cluster(OTHER, replace(WEB, affinity_timeout_s=60)), NODE1).text())

    for whole in text.split("COMMIT\n")[:-1]:
        name, *lines = whole.splitlines()
        assert len(lines) <= 5
        built_in = {line for line in lines if line.split(" ")[1] in BUILT_IN[name[1:]]}
        assert not built_in or built_in == set(lines)
    nat = text[text.index("*nat") :]
    assert nat.index("-A PREROUTING") > nat.rindex("-A KUBE-")


def test_rules_that_are_the_same_twice_stay_two() -> None:
    rules = Ruleset((table("nat", {"TWICE": ("-j RETURN", "-j RETURN")}),))

    assert restored({}, in_pieces(rules.text()), flush=False) == saved(rules)
