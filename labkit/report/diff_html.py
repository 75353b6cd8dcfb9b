"""The report of `labkit diff` as one HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from labkit.probe.compare import Comparison
from labkit.report.cells import Style
from labkit.report.diff_words import (
    AS_ABOVE,
    UNNAMED,
    UNSEEN_TITLE,
    Cause,
    Line,
    changes,
    endings,
    heading,
    setting_lines,
    totals,
    unseen_causes,
)
from labkit.report.html import escape, page, wide_table
from labkit.report.text import UNICODE, plural

STYLE: Final = Style(marks=UNICODE)


def diff_html(comparisons: Sequence[Comparison]) -> str:
    """Return the report: every comparison, then the totals."""
    lines = [line for found in comparisons for line in _comparison(found)]
    lines += _unseen(comparisons)
    return page([*lines, f'<p class="summary">{escape(totals(comparisons))}</p>'])


def _comparison(found: Comparison) -> Iterator[str]:
    word = "passed" if found.passed else "failed"
    yield f'<h2 class="{word}">{escape(heading(found, STYLE))}</h2>'
    for line in setting_lines(found):
        yield f'<p class="setting">{escape(line)}</p>'
    for service, causes in changes(found, STYLE):
        yield f"<h3>{escape(service)}</h3>"
        for cause in causes:
            yield from _cause(found, cause)
    for sentence in endings(found, STYLE):
        yield f"<p>{escape(sentence)}</p>"


def _unseen(comparisons: Sequence[Comparison]) -> Iterator[str]:
    causes = unseen_causes(comparisons)
    if causes:
        yield f"<h2>{escape(UNSEEN_TITLE)}</h2>"
        for cause in causes:
            yield f"<h3>{escape(cause.name)}</h3>"
            yield from _texts(cause)


def _cause(found: Comparison, cause: Cause) -> Iterator[str]:
    yield f"<h4>{escape(cause.name)} ({plural(cause.flows, 'flow')})</h4>"
    yield from _texts(cause)
    word = "failed" if cause.name == UNNAMED else "differs"
    heads = ("flows", escape(found.before.dataplane), escape(found.after.dataplane))
    yield from wide_table(heads, [_row(line, word) for line in cause.lines])


def _texts(cause: Cause) -> Iterator[str]:
    if cause.told:
        yield f"<p>{escape(AS_ABOVE)}</p>"
        return
    yield f"<p>{escape(cause.sentence)}</p>"
    yield f"<p><strong>What to do:</strong> {escape(cause.advice)}</p>"
    if cause.source:
        yield f'<p class="setting">Source: {escape(cause.source)}</p>'


def _row(line: Line, word: str) -> str:
    note = f'<br><span class="why">{escape(line.note)}</span>' if line.note else ""
    cells = (escape(line.flows), escape(line.before), escape(line.after) + note)
    return f'<tr class="{word}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
