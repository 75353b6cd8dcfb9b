"""The report of `labkit diff` for a terminal. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from labkit.probe.compare import Comparison
from labkit.report.diff_words import (
    AS_ABOVE,
    UNNAMED,
    UNSEEN_TITLE,
    Cause,
    ServiceChanges,
    changes,
    endings,
    heading,
    setting_lines,
    totals,
    unseen_causes,
)
from labkit.report.table import BOLD, DIM, GREEN, RED, SENTENCE_WIDTH, YELLOW, Paper
from labkit.report.text import plural


def diff_text(comparisons: Sequence[Comparison], paper: Paper) -> str:
    """Return the report: every comparison, then the totals."""
    lines: list[str] = []
    for found in comparisons:
        lines += [*_comparison(found, paper), ""]
    lines += _unseen(comparisons, paper)
    passed = all(found.passed for found in comparisons)
    lines.append(paper.paint(totals(comparisons), GREEN if passed else RED))
    return paper.finish(lines)


def _comparison(found: Comparison, paper: Paper) -> Iterator[str]:
    yield paper.paint(heading(found, paper.style), BOLD)
    yield from (paper.paint(line, DIM) for line in setting_lines(found))
    for service in changes(found, paper.style):
        yield from _service(service, paper)
    yield ""
    for sentence in endings(found, paper.style):
        yield from _wrapped(sentence, "")


def _unseen(comparisons: Sequence[Comparison], paper: Paper) -> Iterator[str]:
    causes = unseen_causes(comparisons)
    if causes:
        yield paper.paint(UNSEEN_TITLE, BOLD)
        for cause in causes:
            yield f"  {paper.paint(cause.name, YELLOW)}"
            yield from _texts(cause, paper)
        yield ""


def _service(service: ServiceChanges, paper: Paper) -> Iterator[str]:
    yield from ("", paper.paint(service.service, BOLD))
    for cause in service.causes:
        color = RED if cause.name == UNNAMED else YELLOW
        yield f"  {paper.paint(cause.name, color)} ({plural(cause.flows, 'flow')})"
        yield from _texts(cause, paper)
        yield from _lines(cause, paper)


def _texts(cause: Cause, paper: Paper) -> Iterator[str]:
    if cause.told:
        yield f"    {paper.paint(AS_ABOVE, DIM)}"
        return
    yield from _wrapped(cause.sentence, "    ")
    yield from _wrapped(f"What to do: {cause.advice}", "    ")
    if cause.source:
        yield from (paper.paint(line, DIM) for line in _wrapped(f"Source: {cause.source}", "    "))


def _lines(cause: Cause, paper: Paper) -> Iterator[str]:
    """The flows in columns that line up; what became of them below, where the line is too long."""
    arrow = f"  {paper.style.marks.arrow}  "
    flows = max(len(line.flows) for line in cause.lines)
    before = max(len(line.before) for line in cause.lines)
    after = max(len(line.after) for line in cause.lines)
    wide = flows + before + after > SENTENCE_WIDTH
    for line in cause.lines:
        change = f"{line.before:<{before}}{arrow}{line.after}"
        if wide:
            yield f"      {line.flows}"
            yield f"          {change}"
        else:
            yield f"      {line.flows:<{flows}}   {change}"
        if line.note:
            yield from _wrapped(line.note, "          ")


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        SENTENCE_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
