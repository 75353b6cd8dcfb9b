"""The reports of `labkit run` and `labkit matrix` as one HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from labkit.probe.table import FlowTable, Kernel
from labkit.probe.verdict import ScenarioResult
from labkit.report.evidence import Evidence
from labkit.report.page import labs
from labkit.report.page.labs import Others, Told
from labkit.report.page.model import Block, Facts, Index, Mood, Page
from labkit.report.page.render import page_html
from labkit.report.text import kernel_words, plural, table_summary, totals

T = TypeVar("T")

ENDING: Final = "This page is one file that needs nothing else: keep it, send it, print it."


def results_html(
    results: Sequence[ScenarioResult], evidence: Sequence[Evidence | None] = ()
) -> str:
    """Return the report of `labkit run`.

    Args:
        results: what was found.
        evidence: what is known of each lab, in the same order; none at all if nothing is.
    """
    told = _told(results, evidence, folds=len(results) > 1)
    passed = all(result.passed for result in results)
    return page_html(
        Page(
            title=f"labkit: {_headline(results)}",
            headline=_headline(results),
            mood=Mood.GOOD if passed else Mood.BAD,
            summary=totals(results),
            top=(*_facts([result.kernel for result in results], evidence), *_index(told)),
            sections=tuple(each.section for each in told),
            ending=ENDING,
        )
    )


def tables_html(tables: Sequence[FlowTable], evidence: Sequence[Evidence | None] = ()) -> str:
    """Return the report of `labkit matrix`; the arguments are those of `results_html`."""
    results = [_result_of(*each) for each in _beside(tables, evidence)]
    told = _told(results, evidence, folds=False)
    flows = [row for table in tables for row in table.flows]
    judged = [row.agrees for row in flows]
    differ = judged.count(False)
    all_of_them = bool(flows) and judged.count(True) == len(flows)
    names = ", ".join(dict.fromkeys(table.scenario for table in tables))
    return page_html(
        Page(
            title=f"labkit: flows of {names}",
            headline=_of_flows(judged) or f"Flows of {names}",
            mood=Mood.BAD if differ else Mood.GOOD if all_of_them else None,
            summary="; ".join(dict.fromkeys(map(table_summary, tables))),
            top=(*_facts([table.kernel for table in tables], evidence), *_index(told)),
            sections=tuple(each.section for each in told),
            ending=ENDING,
        )
    )


def _told(
    results: Sequence[ScenarioResult], evidence: Sequence[Evidence | None], *, folds: bool
) -> list[Told]:
    """Every lab's section; those that failed come first."""
    on = Others(folds=folds, one_plane=len({result.dataplane for result in results}) == 1)
    found = [
        labs.scenario(result, known, number, on)
        for number, (result, known) in enumerate(_beside(results, evidence), start=1)
    ]
    return sorted(found, key=lambda told: told.entry.mood is not Mood.BAD)


def _result_of(table: FlowTable, evidence: Evidence | None) -> ScenarioResult:
    """A flow table as what a scenario without Checks would have found."""
    return ScenarioResult(
        scenario=table.scenario,
        path=evidence.file if evidence else "",
        dataplane=table.dataplane,
        kernel=table.kernel,
        rules=table.rules or "",
        mapped=table.mapped,
        table=table,
    )


def _beside(
    found: Sequence[T], evidence: Sequence[Evidence | None]
) -> Iterator[tuple[T, Evidence | None]]:
    return zip(found, evidence or [None] * len(found), strict=True)


def _headline(results: Sequence[ScenarioResult]) -> str:
    """What there is to know first."""
    broken = sum(result.error is not None for result in results)
    if broken:
        return f"{broken} of {plural(len(results), 'scenario')} could not be run"
    checks = [check.passed for result in results for check in result.checks]
    rows = [row.agrees for result in results if result.table for row in result.table.flows]
    if failed := checks.count(False):
        return f"{failed} of {plural(len(checks), 'check')} failed"
    if checks and False not in rows:
        return "The check passed" if len(checks) == 1 else f"All {len(checks)} checks passed"
    return _of_flows(rows) or "Nothing was judged"


def _of_flows(judged: Sequence[bool | None]) -> str:
    """What there is to know of flows; nothing if nobody judged them all."""
    if differ := judged.count(False):
        return f"{differ} of {plural(len(judged), 'flow')} not as specified"
    if not judged or None in judged:
        return ""
    return (
        "The flow is as specified" if len(judged) == 1 else f"All {len(judged)} flows as specified"
    )


def _facts(kernels: Iterable[Kernel], evidence: Iterable[Evidence | None]) -> Iterator[Block]:
    rows = [("kernel", tuple(dict.fromkeys(map(kernel_words, kernels))))]
    versions: dict[str, dict[str, None]] = {}
    for known in evidence:
        for name, words in known.versions if known else ():
            versions.setdefault(name, {})[words] = None
    rows += [(name, tuple(words)) for name, words in versions.items()]
    if rows[0][1]:
        yield Facts(rows=tuple(rows))


def _index(told: Sequence[Told]) -> Iterator[Block]:
    """Where each scenario is that failed: the others are a line each."""
    entries = tuple(each.entry for each in told if each.entry.mood is Mood.BAD)
    if len(told) > 1 and entries:
        yield Index(name="What failed", entries=entries)
