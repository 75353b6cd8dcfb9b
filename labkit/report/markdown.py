"""Reports as GitHub-flavoured Markdown, for job summaries and comments. Pure.

Source: GitHub Flavored Markdown Spec 0.29, 4.10 Tables: a pipe in a cell needs a backslash.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Final

from labkit.probe.table import FlowTable
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import Style, check_cells, groups, headings, health_check_words
from labkit.report.text import (
    UNICODE,
    clean,
    clean_lines,
    first_line,
    setting_lines,
    table_summary,
    totals,
)

STYLE: Final = Style(marks=UNICODE)
CHECK_HEADINGS: Final = (
    "",
    "check",
    "from and to",
    "outcome",
    "answered by",
    "client source",
    "what differs",
)
_HTML: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\\": "&#92;"}


def results_markdown(results: Sequence[ScenarioResult]) -> str:
    """Return the report of `labkit run`."""
    lines: list[str] = []
    for result in results:
        lines += [*_scenario(result), ""]
    return "\n".join([*lines, f"**{totals(results)}**"]) + "\n"


def tables_markdown(tables: Sequence[FlowTable]) -> Iterator[str]:
    """Yield the report of `labkit matrix` line by line."""
    for number, table in enumerate(tables):
        head = ["", f"## {escape(table.scenario)}"][number == 0 :]
        lines = chain(head, [""], _setting(table), [""], _flows(table))
        yield from (f"{line}\n" for line in lines)


def _setting(result: ScenarioResult | FlowTable) -> Iterator[str]:
    first, *mapped = setting_lines(result)
    yield escape(first)
    if mapped:
        yield ""
        yield from (f"- {escape(line)}" for line in mapped)


def escape(text: str) -> str:
    """Return ``text`` so that Markdown shows it as it is, in a table's cell or elsewhere."""
    return re.sub(r"[&<>\\|`*_\[\]~#]|^[-+=]", _escaped, clean(text).strip())


def _escaped(found: re.Match[str]) -> str:
    character = found.group()
    return _HTML.get(character, f"\\{character}")


def _scenario(result: ScenarioResult) -> Iterator[str]:
    yield f"## {STYLE.marks.passed if result.passed else STYLE.marks.failed} " + escape(
        result.scenario
    )
    yield ""
    shows = first_line(result.description)
    if shows:
        yield from (escape(shows), "")
    yield from _setting(result)
    if result.error is not None:
        yield from ("", f"{escape(result.path)}:", "")
        yield from (f"    {line}" for line in clean_lines(result.error).split("\n"))
    if result.checks:
        yield ""
        yield from pipe_table(
            CHECK_HEADINGS, [row for each in result.checks for row in _rows(each)]
        )
    if result.table is not None:
        yield ""
        yield from _flows(result.table)


def _rows(check: CheckResult) -> Iterator[tuple[str, ...]]:
    mark = STYLE.marks.passed if check.passed else STYLE.marks.failed
    place = f" ({check.location.file}:{check.location.line})" if check.location else ""
    told = "; ".join((*check.differences, *check.specified))
    differences = told + (place if check.differences else "")
    name = check.name
    for cells in check_cells(check, STYLE):
        yield (mark, name, *cells, differences)
        mark = name = differences = ""


def _flows(table: FlowTable) -> Iterator[str]:
    for group in groups(table, STYLE):
        yield from (f"### {escape(group.title)}", "")
        yield from pipe_table(headings(table), group.rows)
        yield ""
    for sentence in health_check_words(table):
        yield f"- {escape(sentence)}"
    if table.health_checks:
        yield ""
    yield f"**{table_summary(table)}**"


def pipe_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table; the cells of its rows are escaped here."""
    yield _row(heads)
    yield _row(["---"] * len(heads))
    yield from (_row([escape(cell) for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
