"""The report of `labkit diff` as JSON: schema ``labkit.dev/diff/v1``. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct

from labkit.probe.compare import Comparison, Difference, Origin
from labkit.probe.table import FlowRow, HealthStatus, Kernel
from labkit.report.diff_words import advice, sentence
from labkit.semantics.deviations import Deviation
from labkit.semantics.flows import Prediction

SCHEMA: Final = "labkit.dev/diff/v1"


class SideReport(Struct, frozen=True, kw_only=True):
    """One data plane of a comparison."""

    dataplane: str
    kernel: Kernel
    rules: str
    """Where the rules came from."""


class CauseReport(Struct, frozen=True, kw_only=True):
    """A known deviation."""

    name: str
    sentence: str
    advice: str
    """What to do before one moves this way."""
    source: str
    flows: int
    """Flows that it explains, alone or with others; 0 for what no flow shows."""


class PossibleAnswer(Struct, frozen=True, kw_only=True):
    """What an attempt should have come to."""

    outcome: str
    backend: str | None
    source: str | None
    """The client address that the pod would have seen; null if nobody answers or nothing says."""


class DifferenceReport(Struct, frozen=True, kw_only=True):
    """A flow that is not the same."""

    causes: tuple[str, ...]
    """Names of deviations; empty if it has no name."""
    before: FlowRow
    after: FlowRow
    expected_before: tuple[PossibleAnswer, ...] | None
    """Null where nothing says."""
    expected_after: tuple[PossibleAnswer, ...] | None


class HealthReport(Struct, frozen=True, kw_only=True):
    """A health check port that answers otherwise."""

    before: HealthStatus
    after: HealthStatus


class ComparisonReport(Struct, frozen=True, kw_only=True):
    """One scenario under two data planes."""

    scenario: str
    before: SideReport
    after: SideReport
    mapped: tuple[str, ...]
    """Addresses of a real cluster that the lab had to change, in words."""
    passed: bool
    """Whether every difference has a name."""
    services: int
    compared: int
    """Flows that are in both flow tables."""
    differ: int
    unnamed: int
    causes: tuple[CauseReport, ...]
    unseen: tuple[CauseReport, ...]
    """What differs for these Services though no flow shows it."""
    differences: tuple[DifferenceReport, ...]
    health_checks: tuple[HealthReport, ...]
    only_before: tuple[FlowRow, ...]
    only_after: tuple[FlowRow, ...]


class DiffReport(Struct, frozen=True, kw_only=True):
    """All that `labkit diff` found."""

    schema: Literal["labkit.dev/diff/v1"]
    passed: bool
    comparisons: tuple[ComparisonReport, ...]


def diff_json(comparisons: Sequence[Comparison]) -> str:
    """Return the report."""
    report = DiffReport(
        schema=SCHEMA,
        passed=all(found.passed for found in comparisons),
        comparisons=tuple(_comparison(found) for found in comparisons),
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of the report."""
    found: dict[str, object] = msgspec.json.schema(DiffReport)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **found}


def _comparison(found: Comparison) -> ComparisonReport:
    return ComparisonReport(
        scenario=found.scenario,
        before=_side(found.before),
        after=_side(found.after),
        mapped=found.mapped,
        passed=found.passed,
        services=found.services,
        compared=found.compared,
        differ=len(found.differences),
        unnamed=len(found.unnamed),
        causes=tuple(_cause(found, each) for each in found.causes),
        unseen=tuple(_cause(found, each) for each in found.unseen),
        differences=tuple(_difference(each) for each in found.differences),
        health_checks=tuple(
            HealthReport(before=each.before, after=each.after) for each in found.health
        ),
        only_before=found.only_before,
        only_after=found.only_after,
    )


def _side(origin: Origin) -> SideReport:
    rules = origin.rules.encode(errors="replace").decode()
    return SideReport(dataplane=origin.dataplane, kernel=origin.kernel, rules=rules)


def _cause(found: Comparison, deviation: Deviation) -> CauseReport:
    return CauseReport(
        name=deviation.name,
        sentence=sentence(found, deviation),
        advice=advice(found, deviation),
        source=deviation.source,
        flows=sum(deviation in each.deviations for each in found.differences),
    )


def _difference(each: Difference) -> DifferenceReport:
    return DifferenceReport(
        causes=tuple(deviation.name for deviation in each.deviations),
        before=each.before,
        after=each.after,
        expected_before=_expected(each.reason.expected_before),
        expected_after=_expected(each.reason.expected_after),
    )


def _expected(prediction: Prediction | None) -> tuple[PossibleAnswer, ...] | None:
    if prediction is None:
        return None
    found = [
        PossibleAnswer(
            outcome=each.outcome,
            backend=each.backend,
            source=None if each.source is None else str(each.source),
        )
        for each in prediction.deliveries
    ]
    return tuple(sorted(found, key=lambda each: (each.outcome, each.backend or "")))
