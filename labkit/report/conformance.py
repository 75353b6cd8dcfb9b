"""The report of `labkit conformance`: the truth table, and the deviations by name. Pure."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Struct
from tabulate import tabulate

from labkit.cluster.model import RealKubeProxy
from labkit.probe.conformance import Conformance, ScenarioConformance, sentence_of
from labkit.probe.table import FlowRow, Kernel
from labkit.report.cells import flow_name, flow_words, specified_words
from labkit.report.findings import (
    FindingsReport,
    failures_markdown,
    findings_lines,
    report_of,
)
from labkit.report.table import BOLD, DIM, GREEN, RED, SENTENCE_WIDTH, YELLOW, Paper
from labkit.report.text import clean, kernel_words, plural

SCHEMA: Final = "labkit.dev/conformance/v1"
HEAD: Final = ("scenario", "flows", "as specified", "deviate", "unexplained", "Checks")
MOST_TOLD: Final = 20


class DeviationReport(Struct, frozen=True, kw_only=True):
    """A known deviation that some flow shows."""

    name: str
    flows: int
    sentence: str
    source: str


class ScenarioReport(Struct, frozen=True, kw_only=True):
    """One scenario."""

    scenario: str
    path: str
    was_run: bool
    passed: bool
    error: str | None
    failed_checks: tuple[str, ...]
    deviating_checks: tuple[str, ...]
    """Those that ask for what this data plane is known not to do."""
    checks: int
    deviations: dict[str, int]
    """Flows, by the deviation's name."""
    unexplained: int
    flows: tuple[FlowRow, ...]


class ConformanceReport(Struct, frozen=True, kw_only=True):
    """The whole report."""

    schema: str
    dataplane: str
    kube_proxy: RealKubeProxy | None
    kernel: Kernel
    passed: bool
    deviations: tuple[DeviationReport, ...]
    scenarios: tuple[ScenarioReport, ...]
    fuzz: FindingsReport | None
    error: str | None
    """Why random clusters could not be tried."""


def conformance_text(found: Conformance, paper: Paper) -> str:
    """Return the report for a terminal."""
    return paper.finish(_lines(found, paper))


def conformance_markdown(found: Conformance) -> str:
    """Return the report as Markdown."""
    parts = [
        f"## {clean(found.name)}",
        kernel_words(found.kernel),
        tabulate(
            list(map(scenario_row, found.scenarios)), HEAD, tablefmt="github", disable_numparse=True
        ),
    ]
    named = [
        f"- **{deviation.name}** ({plural(flows, 'flow')}): {sentence_of(found, deviation)} "
        f"({deviation.source})"
        for deviation, flows in found.deviations.items()
    ]
    parts += ["\n".join(named)] if named else []
    wrong = [f"- {line}" for line in (*not_run_lines(found), *wrong_lines(found, Paper()))]
    parts += ["\n".join(wrong)] if wrong else []
    if found.findings is not None and not found.findings.passed:
        parts.append(failures_markdown(found.findings))
    parts.append(summary_words(found))
    return "\n\n".join(parts) + "\n"


def conformance_json(found: Conformance) -> str:
    """Return the report as JSON, every flow included."""
    report = ConformanceReport(
        schema=SCHEMA,
        dataplane=found.dataplane,
        kube_proxy=found.real,
        kernel=found.kernel,
        passed=found.passed,
        deviations=tuple(
            DeviationReport(
                name=deviation.name,
                flows=flows,
                sentence=sentence_of(found, deviation),
                source=deviation.source,
            )
            for deviation, flows in found.deviations.items()
        ),
        scenarios=tuple(map(_scenario, found.scenarios)),
        fuzz=None if found.findings is None else report_of(found.findings),
        error=found.error,
    )
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _lines(found: Conformance, paper: Paper) -> Iterator[str]:
    yield paper.paint(clean(found.name), BOLD)
    yield paper.paint(kernel_words(found.kernel), DIM)
    yield ""
    yield from tabulate(list(map(scenario_row, found.scenarios)), HEAD, tablefmt="plain").split(
        "\n"
    )
    yield ""
    for deviation, flows in found.deviations.items():
        yield paper.paint(f"{deviation.name}: {plural(flows, 'flow')}", YELLOW)
        for text in (sentence_of(found, deviation), deviation.source):
            yield from textwrap.wrap(
                clean(text), SENTENCE_WIDTH, initial_indent="    ", subsequent_indent="    "
            )
    for line in (
        *not_run_lines(found),
        *(f"{paper.style.marks.failed} {e}" for e in wrong_lines(found, paper)),
    ):
        yield from textwrap.wrap(line, SENTENCE_WIDTH, subsequent_indent="    ")
    if found.findings is not None:
        yield ""
        yield "random clusters:"
        yield from findings_lines(found.findings, paper)
    mark = paper.style.marks.passed if found.passed else paper.style.marks.failed
    yield from ("", paper.paint(f"{mark} {summary_words(found)}", GREEN if found.passed else RED))


def scenario_row(scenario: ScenarioConformance) -> tuple[str, ...]:
    """Return the scenario's row, with the columns of `HEAD`; nothing is an empty cell."""
    counts = (
        scenario.flows,
        scenario.conforming,
        len(scenario.deviating),
        len(scenario.unexplained),
    )
    numbers = (str(count) if count else "" for count in counts)
    return (clean(scenario.result.scenario), *numbers, _checks(scenario))


def _checks(scenario: ScenarioConformance) -> str:
    if scenario.result.error is not None:
        return "failed" if scenario.was_run else "not run"
    total, known = len(scenario.result.checks), len(scenario.deviating_checks)
    passed = total - known - len(scenario.failed_checks)
    return f"{passed}/{total}{f', {known} deviate' if known else ''}" if total else ""


def not_run_lines(found: Conformance) -> Iterator[str]:
    """Yield what this program or machine cannot run."""
    for each in found.scenarios:
        if not each.was_run:
            yield f"{clean(each.result.scenario)}: not run: {clean(each.result.error or '')}"


def wrong_lines(found: Conformance, paper: Paper) -> Iterator[str]:
    """Yield what is not as it should be."""
    if found.error is not None:
        yield f"random clusters: {clean(found.error)}"
    for each in found.scenarios:
        where = clean(each.result.scenario)
        if each.result.error is not None and each.was_run:
            yield f"{where}: failed: {clean(each.result.error)}"
        for check in each.failed_checks:
            differences = clean("; ".join(check.differences))
            yield f"{where}: Check {clean(check.name)} failed: {differences}"
        for row in each.unexplained[:MOST_TOLD]:
            name = flow_name(row, paper.style.marks)
            seen = flow_words(row, paper.style.marks)
            yield f"{where}: {name}: {seen}; expected {specified_words(row)}"
        if len(each.unexplained) > MOST_TOLD:
            yield f"{where}: and {len(each.unexplained) - MOST_TOLD} more"


def summary_words(found: Conformance) -> str:
    """Return how many flows there were, and how many of them deviate or are unexplained."""
    run = [each for each in found.scenarios if each.was_run]
    flows = sum(each.flows for each in run)
    deviating = sum(len(each.deviating) for each in run)
    unexplained = sum(len(each.unexplained) for each in run)
    ways = f" in {plural(len(found.deviations), 'named way')}" if deviating else ""
    words = [
        f"{plural(len(run), 'scenario')}, {plural(flows, 'flow')}",
        f"{deviating} deviate{ways}, {unexplained} unexplained",
    ]
    if found.findings is not None:
        outcome = "all as expected" if found.findings.passed else "not all as expected"
        words.append(f"{plural(found.findings.clusters, 'random cluster')} {outcome}")
    return "; ".join(words)


def _scenario(scenario: ScenarioConformance) -> ScenarioReport:
    deviations = Counter(d.name for each in scenario.deviating for d in each.deviations)
    return ScenarioReport(
        scenario=scenario.result.scenario,
        path=scenario.result.path,
        was_run=scenario.was_run,
        passed=scenario.passed,
        error=scenario.result.error,
        failed_checks=tuple(check.name for check in scenario.failed_checks),
        deviating_checks=tuple(check.name for check in scenario.deviating_checks),
        checks=len(scenario.result.checks),
        deviations=dict(deviations),
        unexplained=len(scenario.unexplained),
        flows=scenario.result.table.flows if scenario.result.table else (),
    )
