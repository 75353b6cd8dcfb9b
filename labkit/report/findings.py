"""The report of `labkit fuzz`: how many flows were asked, and which were not as specified. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from tabulate import tabulate

from labkit.cluster.model import RealKubeProxy
from labkit.probe.findings import Failure, Findings
from labkit.probe.flow import Outcome
from labkit.probe.table import Kernel
from labkit.report.table import BOLD, DIM, GREEN, RED, SENTENCE_WIDTH, Paper
from labkit.report.text import clean, clean_lines, kernel_words, plural

SCHEMA: Final = "labkit.dev/fuzz/v1"


class FailureReport(Struct, frozen=True, kw_only=True):
    """A cluster that differs from the model."""

    seed: int
    flows: tuple[str, ...]
    """The first few, as sentences."""
    more: int
    """How many more flows differed."""
    scenario: str
    alone: bool
    before: str


class FindingsReport(Struct, frozen=True, kw_only=True):
    """What one data plane has shown."""

    schema: str
    seed: int
    dataplane: str
    kube_proxy: RealKubeProxy | None
    kernel: Kernel
    clusters: int
    flows: int
    unjudged: int
    asked: dict[str, dict[str, int]]
    """Flows by the kind of their address, then by their outcome."""
    elapsed_s: float
    passed: bool
    failures: tuple[FailureReport, ...]


def findings_text(found: Sequence[Findings], paper: Paper, *, again: str = "") -> str:
    """Return the report for a terminal.

    Args:
        found: what each data plane has shown.
        paper: what the terminal can show.
        again: where the first failure's scenario is, and the command that shows it.
    """
    lines: list[str] = []
    for each in found:
        lines += [*findings_lines(each, paper), ""]
    if again:
        lines += [clean(again), ""]
    return paper.finish(lines[:-1])


def findings_markdown(found: Sequence[Findings]) -> str:
    """Return the report as Markdown: a line for each data plane, then what went wrong."""
    head = ("data plane", "kernel", "seed", "clusters", "flows", "clusters not as specified")
    rows = [
        (
            clean(each.name),
            kernel_words(each.kernel),
            each.seed,
            each.clusters,
            each.flows,
            len(each.failures),
        )
        for each in found
    ]
    parts = [tabulate(rows, head, tablefmt="github", disable_numparse=True)]
    parts += [_failure_markdown(failure) for each in found for failure in each.failures]
    return "\n\n".join(parts) + "\n"


def failures_markdown(found: Findings) -> str:
    """Return what went wrong under one data plane as Markdown; empty if nothing did."""
    return "\n\n".join(map(_failure_markdown, found.failures))


def _failure_markdown(failure: Failure) -> str:
    flows = "\n".join(f"- {clean(flow)}" for flow in _told(failure))
    return f"{flows}\n\n```yaml\n{clean_lines(failure.scenario)}```"


def _told(failure: Failure) -> tuple[str, ...]:
    """The flows, and how many more there are."""
    return (*failure.flows, *([f"and {failure.more} more"] if failure.more else []))


def findings_json(found: Sequence[Findings]) -> str:
    """Return the report as JSON: an object, or a list of them for several data planes."""
    reports = [report_of(each) for each in found]
    encoded = msgspec.json.encode(reports[0] if len(reports) == 1 else reports)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def findings_lines(found: Findings, paper: Paper) -> Iterator[str]:
    """Yield the lines about one data plane."""
    marks = paper.style.marks
    rate = found.clusters / found.elapsed_s if found.elapsed_s else 0.0
    yield paper.paint(f"{clean(found.name)} on {kernel_words(found.kernel)}", BOLD)
    yield paper.paint(
        f"seed {found.seed}, {found.elapsed_s:.1f} s, {rate:.1f} clusters a second", DIM
    )
    yield from _counts(found)
    yield ""
    for failure in found.failures:
        yield from _failure(failure, paper)
    told = f"{plural(found.clusters, 'cluster')}, {plural(found.flows, 'flow')}"
    if found.unjudged:
        told += f" and {found.unjudged} of which the specification says nothing"
    if found.passed:
        yield paper.paint(f"{marks.passed} {told}: all as specified", GREEN)
    else:
        kinds = plural(len(found.failures), "cluster")
        yield paper.paint(f"{marks.failed} {told}: {kinds} not as specified", RED)


def _counts(found: Findings) -> Iterator[str]:
    outcomes = [each.value for each in Outcome if any(key[1] == each for key in found.asked)]
    vias = list(dict.fromkeys(via for via, _ in found.asked))
    rows = [[via, *(found.asked.get((via, each), "") for each in outcomes)] for via in vias]
    if rows:
        yield ""
        yield from tabulate(rows, ["flows to", *outcomes], tablefmt="plain").split("\n")


def _failure(failure: Failure, paper: Paper) -> Iterator[str]:
    for flow in _told(failure):
        yield from textwrap.wrap(
            f"{paper.style.marks.failed} {clean(flow)}", SENTENCE_WIDTH, subsequent_indent="    "
        )
    if not failure.alone:
        yield (
            "  only in a lab that was another cluster before; that one is in the report as JSON"
            if failure.before
            else "  a lab of its own does not show it"
        )
    yield ""


def report_of(found: Findings) -> FindingsReport:
    """The same as an object of JSON."""
    asked: dict[str, dict[str, int]] = {}
    for (via, outcome), count in found.asked.items():
        asked.setdefault(via, {})[outcome] = count
    return FindingsReport(
        schema=SCHEMA,
        seed=found.seed,
        dataplane=found.dataplane,
        kube_proxy=found.real,
        kernel=found.kernel,
        clusters=found.clusters,
        flows=found.flows,
        unjudged=found.unjudged,
        asked=asked,
        elapsed_s=round(found.elapsed_s, 3),
        passed=found.passed,
        failures=tuple(
            FailureReport(
                seed=each.seed,
                flows=each.flows,
                more=each.more,
                scenario=each.scenario,
                alone=each.alone,
                before=each.before,
            )
            for each in found.failures
        ),
    )
