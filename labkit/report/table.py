"""Reports for a terminal: aligned columns, one line of summary at the end. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from tabulate import tabulate

from labkit.probe.flow import Outcome
from labkit.probe.table import FlowTable
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import Group, Style, check_lines, groups, headings, health_check_words
from labkit.report.text import (
    ASCII,
    UNICODE,
    clean,
    clean_lines,
    first_line,
    setting_lines,
    table_summary,
    totals,
)

NAMES_SHOWN: Final = 6
"""Pods of one flow that are named; JSON names all of them."""
NAME_WIDTH: Final = 40
LIST_WIDTH: Final = 36
SEEN_WIDTH: Final = 60
SENTENCE_WIDTH: Final = 96

NO_BREAK: Final = "\N{NO-BREAK SPACE}"

BOLD: Final = "1"
DIM: Final = "2"
RED: Final = "31"
GREEN: Final = "32"
YELLOW: Final = "33"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """What a terminal can show."""

    color: bool = False
    unicode: bool = True

    @property
    def style(self) -> Style:
        """How cells are written on it."""
        return Style(marks=UNICODE if self.unicode else ASCII, limit=NAMES_SHOWN)

    def paint(self, text: str, code: str) -> str:
        """Return ``text`` in a colour (ECMA-48 SGR), if there are any; every line on its own."""
        if not self.color:
            return text
        return "\n".join(f"\x1b[{code}m{line}\x1b[0m" if line else "" for line in text.split("\n"))

    def finish(self, lines: Iterable[str]) -> str:
        """Return the report's text."""
        return "".join(map(self.finished, lines))

    def finished(self, line: str) -> str:
        """Return a line, or several, as the terminal gets it."""
        text = "".join(f"{each.rstrip()}\n" for each in line.split("\n"))
        return text if self.unicode else text.encode("ascii", "backslashreplace").decode()


def results_text(results: Sequence[ScenarioResult], paper: Paper) -> str:
    """Return the report of `labkit run`: every scenario, then the totals."""
    lines: list[str] = []
    for result in results:
        lines += [*_scenario(result, paper), ""]
    passed = all(result.passed for result in results)
    lines.append(paper.paint(totals(results), GREEN if passed else RED))
    return paper.finish(lines)


def tables_text(tables: Sequence[FlowTable], paper: Paper) -> Iterator[str]:
    """Yield the report of `labkit matrix` piece by piece: each flow table with its summary."""
    for number, table in enumerate(tables):
        where, *mapped = setting_lines(table)
        lines = [] if number == 0 else [""]
        lines.append(f"{paper.paint(clean(table.scenario), BOLD)}: {where}")
        lines += [*(paper.paint(line, DIM) for line in mapped), ""]
        yield from map(paper.finished, chain(lines, _flows(table, paper)))
        yield from map(paper.finished, ("", table_summary(table)))


def check_text(check: CheckResult, paper: Paper) -> str:
    """Return one Check's row and, if it failed, what was expected and seen and where it stands."""
    return paper.finish(_checks([check], paper))


def _scenario(result: ScenarioResult, paper: Paper) -> Iterator[str]:
    shows = first_line(result.description)
    yield paper.paint(clean(result.scenario), BOLD) + (f": {shows}" if shows else "")
    yield from (paper.paint(line, DIM) for line in setting_lines(result))
    if result.error is not None:
        sign = paper.paint(paper.style.marks.failed, RED)
        first, *others = clean_lines(result.error).split("\n")
        yield f"  {sign}  {first}"
        yield from (f"     {line}" for line in others)
        yield paper.paint(f"     {clean(result.path)}", DIM)
    yield from _checks(result.checks, paper)
    if result.table is not None:
        yield ""
        yield from _flows(result.table, paper)
        yield ""
        yield table_summary(result.table)


def _checks(checks: Sequence[CheckResult], paper: Paper) -> Iterator[str]:
    rows: list[list[str]] = []
    after: list[list[str]] = []
    for check in checks:
        marks = paper.style.marks
        mark = paper.paint(marks.passed, GREEN) if check.passed else paper.paint(marks.failed, RED)
        name = textwrap.fill(clean(check.name), NAME_WIDTH)
        for way, seen in check_lines(check, paper.style):
            rows.append([mark, name, way, _wrapped(seen, SEEN_WIDTH)])
            after.append([])
            mark = name = ""
        after[-1] = [] if check.passed else [f"   {line}" for line in _failure(check, paper)]
    yield from (f"  {line}" for line in _aligned(rows, after))


def _failure(check: CheckResult, paper: Paper) -> Iterator[str]:
    for difference in check.differences:
        yield from textwrap.wrap(clean(difference), SENTENCE_WIDTH)
    for sentence in check.specified:
        yield from textwrap.wrap(clean(sentence), SENTENCE_WIDTH)
    if check.location is not None:
        place = check.location
        yield paper.paint(f"{clean(place.file)}:{place.line}", DIM)
    if check.command:
        yield paper.paint(f"next: {clean(check.command)}", DIM)


def _flows(table: FlowTable, paper: Paper) -> Iterator[str]:
    """Yield the lines of a flow table, a Service port at a time: it may have many rows.

    They are looked at twice, for the columns to line up from the first to the last.
    """
    if not table.flows:
        return
    heads = [paper.paint(each, DIM) for each in headings(table)]
    plain = replace(paper, color=False)
    cells = (row for group in groups(table, paper.style) for row in _cells(group, plain))
    widths = [len(each) for each in headings(table)]
    for row in cells:
        widths = [max(width, _width(cell)) for width, cell in zip(widths, row, strict=True)]
    yield from _in_columns([heads], widths)
    for group in groups(table, paper.style):
        yield from ("", paper.paint(group.title, BOLD))
        yield from _in_columns(_cells(group, paper), widths)
    if table.health_checks:
        yield from ("", *health_check_words(table))


def _cells(group: Group, paper: Paper) -> list[list[str]]:
    return [
        [source, to, via, _painted(outcome, paper), *map(_wrapped, others)]
        for source, to, via, outcome, *others in group.rows
    ]


def _width(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _in_columns(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """Yield rows in columns of at least these widths."""
    ruler = ["-" * width for width in widths]
    _ruler, *lines = tabulate([ruler, *rows], tablefmt="plain", disable_numparse=True).split("\n")
    yield from lines


def _painted(outcome: str, paper: Paper) -> str:
    return paper.paint(outcome, GREEN if outcome == Outcome.CONNECTED else YELLOW)


def _wrapped(text: str, width: int = LIST_WIDTH) -> str:
    """``text`` in lines, never broken between a name and its count or an address and its word."""
    whole = re.sub(r" (?=[×=x][ 0-9])|(?<==) |(?<=source) |(?<=…) | (?=more$)", NO_BREAK, text)
    lines = textwrap.fill(whole, width, break_on_hyphens=False, break_long_words=False)
    return lines.replace(NO_BREAK, " ")


def _aligned(rows: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows in columns that line up, each followed by its lines of ``after``."""
    if not rows:
        return
    text = tabulate(rows, tablefmt="plain", disable_numparse=True)
    lines = iter(text.split("\n"))
    for row, following in zip(rows, after, strict=True):
        for _ in range(max(cell.count("\n") + 1 for cell in row)):
            yield next(lines)
        yield from following
