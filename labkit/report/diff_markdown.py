"""The report of `labkit diff` as Markdown, for pull requests and runbooks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from labkit.probe.compare import Comparison
from labkit.report.cells import Style
from labkit.report.diff_words import (
    AS_ABOVE,
    UNSEEN_TITLE,
    Cause,
    changes,
    endings,
    heading,
    setting_lines,
    totals,
    unseen_causes,
)
from labkit.report.markdown import escape, pipe_table
from labkit.report.text import UNICODE, plural

STYLE: Final = Style(marks=UNICODE)


def diff_markdown(comparisons: Sequence[Comparison]) -> str:
    """Return the report: every comparison, then the totals."""
    lines: list[str] = []
    for found in comparisons:
        lines += [*_comparison(found), ""]
    lines += _unseen(comparisons)
    return "\n".join([*lines, f"**{escape(totals(comparisons))}**"]) + "\n"


def _comparison(found: Comparison) -> Iterator[str]:
    yield from (f"## {escape(heading(found, STYLE))}", "")
    yield from (f"- {escape(line)}" for line in setting_lines(found))
    for service, causes in changes(found, STYLE):
        yield from ("", f"### {escape(service)}")
        for cause in causes:
            yield from _cause(found, cause)
    yield ""
    for sentence in endings(found, STYLE):
        yield f"- {escape(sentence)}"


def _unseen(comparisons: Sequence[Comparison]) -> Iterator[str]:
    causes = unseen_causes(comparisons)
    if causes:
        yield from (f"## {escape(UNSEEN_TITLE)}", "")
        for cause in causes:
            yield f"### {escape(cause.name)}"
            yield from ("", *_texts(cause))


def _cause(found: Comparison, cause: Cause) -> Iterator[str]:
    yield from ("", f"#### {escape(cause.name)} ({plural(cause.flows, 'flow')})", "")
    yield from _texts(cause)
    rows = [[line.flows, line.before, line.after] for line in cause.lines]
    heads = ["flows", found.before.dataplane, found.after.dataplane]
    if any(line.note for line in cause.lines):
        heads.append("expected")
        rows = [[*row, line.note] for row, line in zip(rows, cause.lines, strict=True)]
    yield from pipe_table([escape(head) for head in heads], rows)


def _texts(cause: Cause) -> Iterator[str]:
    if cause.told:
        yield from (AS_ABOVE, "")
        return
    yield from (escape(cause.sentence), "", f"**What to do:** {escape(cause.advice)}", "")
    if cause.source:
        # Ours, and as it is a link: an escaped # would not be.
        yield from (f"Source: {cause.source}", "")
