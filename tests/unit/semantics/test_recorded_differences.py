"""Every difference between recordings of the real kube-proxy has a name, and nothing else has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from labkit.cluster.model import Cluster
from labkit.probe.compare import Comparison, compare
from labkit.probe.flow import Outcome, Via
from labkit.probe.table import FlowRow, FlowTable
from labkit.semantics.traits import Trait, traits_of
from tests.recorded import SCENARIOS
from tests.recorded_tables import recorded, recorded_cluster

PAIRS = [
    (before, after)
    for before in ("ipvs", "iptables", "nftables")
    for after in ("ipvs", "iptables", "nftables")
    if before != after
]


@dataclass(frozen=True)
class Recording:
    cluster: Cluster
    before: FlowTable
    after: FlowTable

    @property
    def comparison(self) -> Comparison:
        return compare(self.cluster, self.before, self.after)

    def with_row(self, old: FlowRow, new: FlowRow) -> Comparison:
        """The comparison after one row of ``before`` became another."""
        flows = tuple(new if row is old else row for row in self.before.flows)
        table = msgspec.structs.replace(self.before, flows=flows)
        return compare(self.cluster, table, self.after)


def recording(path: Path, before: str, after: str) -> Recording:
    cluster = recorded_cluster(path)
    return Recording(cluster, recorded(before, path, cluster), recorded(after, path, cluster))


for_every_pair = pytest.mark.parametrize(("before", "after"), PAIRS)
for_every_scenario = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)


def differs(before: FlowRow, after: FlowRow) -> bool:
    return (before.outcome, set(before.backends), set(before.sources_seen)) != (
        after.outcome,
        set(after.backends),
        set(after.sources_seen),
    )


@for_every_pair
@for_every_scenario
def test_every_difference_has_a_name(path: Path, before: str, after: str) -> None:
    found = recording(path, before, after).comparison

    assert [(each.before, each.after) for each in found.unnamed] == []
    assert found.passed


@for_every_pair
@for_every_scenario
def test_nothing_else_is_a_difference(path: Path, before: str, after: str) -> None:
    both = recording(path, before, after)
    if both.cluster.services[0].affinity_timeout_s is not None:
        pytest.skip("which pod answers under session affinity is arbitrary")
    later = {_flow(row): row for row in both.after.flows}

    expected = {
        _flow(row)
        for row in both.before.flows
        if _flow(row) in later and differs(row, later[_flow(row)])
    }

    assert {_flow(each.before) for each in both.comparison.differences} == expected


@for_every_pair
def test_a_difference_is_named_after_a_trait_of_one_of_the_two(before: str, after: str) -> None:
    apart = traits_of(before) ^ traits_of(after)
    names = {
        cause.trait
        for path in SCENARIOS
        for cause in recording(path, before, after).comparison.causes
    }
    assert names <= apart


def test_iptables_and_nftables_differ_in_node_ports_on_localhost_alone() -> None:
    comparisons = [recording(path, "iptables", "nftables").comparison for path in SCENARIOS]
    differences = [each for found in comparisons for each in found.differences]

    assert differences
    assert {each.before.address for each in differences} == {"127.0.0.1"}
    assert {cause.trait for found in comparisons for cause in found.causes} == {
        Trait.LOCALHOST_NODE_PORTS
    }


def _flow(row: FlowRow) -> tuple[str, Via | None, str | None, str, int]:
    return row.source, row.via, row.node, row.address, row.dport


# --- a fault on either side takes the name away ---


def without_a_backend(row: FlowRow) -> FlowRow | None:
    """None where that would leave nothing to see."""
    if len(row.backends) < 2:
        return None
    backends = dict(list(row.backends.items())[1:])
    return msgspec.structs.replace(row, backends=backends)


def with_a_stranger(row: FlowRow) -> FlowRow | None:
    if not row.backends:
        return None
    return msgspec.structs.replace(row, backends={**row.backends, "stranger": 1})


def with_another_outcome(row: FlowRow) -> FlowRow | None:
    other = Outcome.TIMED_OUT if row.outcome is not Outcome.TIMED_OUT else Outcome.REFUSED
    return msgspec.structs.replace(
        row, outcome=other, outcomes={other: 1}, backends={}, sources_seen={}
    )


def sometimes_silent(row: FlowRow) -> FlowRow | None:
    outcomes = {row.outcome: 1, Outcome.TIMED_OUT: 1}
    if len(outcomes) == 1:
        return None
    return msgspec.structs.replace(row, outcome=Outcome.MIXED, outcomes=outcomes)


def with_another_source(row: FlowRow) -> FlowRow | None:
    if not row.sources_seen:
        return None
    seen = dict(row.sources_seen)
    seen.popitem()
    return msgspec.structs.replace(row, sources_seen={**seen, "192.0.2.1": 1})


FAULTS: list[Callable[[FlowRow], FlowRow | None]] = [
    without_a_backend,
    with_a_stranger,
    with_another_outcome,
    sometimes_silent,
    with_another_source,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@for_every_pair
def test_a_fault_takes_the_name_of_a_difference_away(
    before: str, after: str, fault: Callable[[FlowRow], FlowRow | None]
) -> None:
    tried = Counter[bool]()
    for path in SCENARIOS:
        both = recording(path, before, after)
        for difference in both.comparison.differences:
            wrong = fault(difference.before)
            if wrong is None or not differs(wrong, difference.after):
                continue
            found = both.with_row(difference.before, wrong)
            tried[_flow(wrong) in {_flow(each.before) for each in found.unnamed}] += 1
    assert tried[False] == 0
    assert tried[True] or fault in {without_a_backend, with_a_stranger, with_another_source}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@for_every_scenario
def test_a_fault_where_nothing_differed_has_no_name(
    path: Path, fault: Callable[[FlowRow], FlowRow | None]
) -> None:
    both = recording(path, "ipvs", "nftables")
    if both.cluster.services[0].affinity_timeout_s is not None:
        pytest.skip("which pod answers under session affinity is arbitrary")
    known = {_flow(each.before) for each in both.comparison.differences}
    for row in both.before.flows:
        wrong = fault(row)
        if _flow(row) in known or wrong is None:
            continue
        found = both.with_row(row, wrong)
        if _flow(row) in {_flow(each) for each in found.only_before}:
            continue
        assert [_flow(each.before) for each in found.unnamed] == [_flow(row)]
