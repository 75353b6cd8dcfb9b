"""How far a data plane keeps to what Kubernetes specifies, scenario by scenario. Pure.

What it is measured by is kube-proxy's iptables mode: the default, and what the documentation
describes. A data plane may deviate from that by the behaviours that it is known for, each of which
has a name. What is neither as specified nor as known is unexplained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from labkit.cluster.model import Cluster, RealKubeProxy
from labkit.probe.compare import flow_of
from labkit.probe.findings import Findings
from labkit.probe.flow import Outcome
from labkit.probe.table import FlowRow, Kernel
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.semantics.causes import causes
from labkit.semantics.deviations import BY_TRAIT, Deviation
from labkit.semantics.traits import Trait, traits_of

MEASURE: Final = "iptables"
CANNOT: Final = (2, 3)
"""Exit statuses of what cannot be run: this version has no such setting, this machine no such
feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviating:
    """A flow that ends otherwise than specified, as it is known to."""

    row: FlowRow
    deviations: tuple[Deviation, ...]


@dataclass(frozen=True, kw_only=True)
class ScenarioConformance:
    """What one scenario has shown."""

    result: ScenarioResult
    conforming: int = 0
    """Flows that end as specified."""
    deviating: tuple[Deviating, ...] = ()
    unexplained: tuple[FlowRow, ...] = ()
    unjudged: int = 0
    """Flows of which the specification says nothing."""
    cluster: Cluster | None = None
    """The lab; None if there was none."""

    @property
    def flows(self) -> int:
        """All flows that were asked."""
        return self.conforming + len(self.deviating) + len(self.unexplained) + self.unjudged

    @property
    def was_run(self) -> bool:
        """Whether this program and machine can run it at all."""
        return self.result.error_status not in CANNOT

    @property
    def passed(self) -> bool:
        """Whether nothing is unexplained, no Check failed and no lab broke."""
        return not self.was_run or (
            self.result.error is None and not self.unexplained and not self.failed_checks
        )

    @property
    def failed_checks(self) -> Sequence[CheckResult]:
        """Checks that failed, but for those whose flows deviate as they are known to."""
        return [each for each in self.result.checks if not (each.passed or self._is_known(each))]

    @property
    def deviating_checks(self) -> Sequence[CheckResult]:
        """Checks that failed as they must: they ask for what this data plane is known not to do."""
        return [each for each in self.result.checks if not each.passed and self._is_known(each)]

    @property
    def closed_health_checks(self) -> Sequence[Deviation]:
        """The deviation of each health check port that a Check has found closed as it must be."""
        cluster = self.cluster
        return [
            named
            for check in (self.deviating_checks if cluster else ())
            for context in check.contexts
            if context.row is not None and cluster is not None
            for named in _closed_health_check(cluster, context.row)
        ]

    def _is_known(self, check: CheckResult) -> bool:
        return is_known(check, self.cluster) if self.cluster else False


@dataclass(frozen=True, kw_only=True)
class Conformance:
    """What all scenarios and random clusters have shown of one data plane."""

    dataplane: str
    real: RealKubeProxy | None
    """Which program it is; None for labkit's own rules."""
    kernel: Kernel
    scenarios: tuple[ScenarioConformance, ...]
    findings: Findings | None = None
    """Of random clusters; None if none were asked for, or they could not be tried."""
    error: str | None = None
    """Why random clusters could not be tried."""
    traits: frozenset[Trait] = field(default_factory=frozenset)

    @property
    def name(self) -> str:
        """The data plane in words."""
        return self.real.words if self.real else self.dataplane

    @property
    def deviations(self) -> Mapping[Deviation, int]:
        """How many flows each deviation shows in; the most frequent first."""
        seen = Counter(
            deviation
            for scenario in self.scenarios
            for deviation in (
                *(named for each in scenario.deviating for named in each.deviations),
                *scenario.closed_health_checks,
            )
        )
        return dict(seen.most_common())

    @property
    def passed(self) -> bool:
        """Whether something was run, and all of it is as specified or deviates by name."""
        tried = any(each.was_run for each in self.scenarios) or self.findings is not None
        return (
            tried
            and self.error is None
            and all(each.passed for each in self.scenarios)
            and (self.findings is None or self.findings.passed)
        )


def conformance(cluster: Cluster, result: ScenarioResult) -> ScenarioConformance:
    """Return what a scenario's flow table shows; its rows are judged already."""
    rows: Iterable[FlowRow] = result.table.flows if result.table else ()
    conforming, unjudged = 0, 0
    deviating: list[Deviating] = []
    unexplained: list[FlowRow] = []
    for row in rows:
        if row.agrees is None:
            unjudged += 1
        elif not row.agrees:
            unexplained.append(row)
        elif named := _named(cluster, row):
            deviating.append(Deviating(row=row, deviations=named))
        else:
            conforming += 1
    return ScenarioConformance(
        result=result,
        conforming=conforming,
        deviating=tuple(deviating),
        unexplained=tuple(unexplained),
        unjudged=unjudged,
        cluster=cluster,
    )


def sentence_of(found: Conformance, deviation: Deviation) -> str:
    """Return a deviation's sentence about this data plane and what it is measured by."""
    names = (found.name, f"{MEASURE} mode")
    having, lacking = names if deviation.trait in found.traits else names[::-1]
    return deviation.sentence.format(having=having, lacking=lacking)


def is_known(check: CheckResult, cluster: Cluster) -> bool:
    """Whether a Check's flows ended as was foreseen, and deviations by name tell why.

    A Check that asks for what no data plane does is simply wrong.
    """
    rows = [context.row for context in check.contexts]
    known = [row for row in rows if row is not None and _is_foreseen(cluster, row)]
    return len(known) == len(rows) and any(_named(cluster, row) for row in known)


def _is_foreseen(cluster: Cluster, row: FlowRow) -> bool:
    return row.agrees is True or bool(_closed_health_check(cluster, row))


def _named(cluster: Cluster, row: FlowRow) -> tuple[Deviation, ...]:
    """The deviations that a row shows, if it ended as foreseen."""
    flow = flow_of(cluster, row)
    own = traits_of(cluster.dataplane, cluster.real_kube_proxy)
    named = causes(cluster, flow, traits_of(MEASURE), own) if flow else ()
    return named or _closed_health_check(cluster, row)


def _closed_health_check(cluster: Cluster, row: FlowRow) -> tuple[Deviation, ...]:
    """Why a health check port is silent, if a node's firewall is known to close it."""
    trait = Trait.LEAVES_HEALTH_CHECKS_CLOSED
    node = cluster.node_by_name.get(row.node or "")
    asked = any(each.health_check_node_port == row.dport for each in cluster.services)
    if not (asked and node and node.drops_input and row.outcome == Outcome.TIMED_OUT):
        return ()
    known = trait in traits_of(cluster.dataplane, cluster.real_kube_proxy)
    return (BY_TRAIT[trait],) if known else ()
