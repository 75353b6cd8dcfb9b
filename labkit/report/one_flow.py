"""The report of `labkit probe`: what was seen of one flow, and whether the specification says so.

Pure.
"""

from __future__ import annotations

import textwrap
from typing import Final

from labkit.manifest.kinds import Target
from labkit.probe.table import FlowRow
from labkit.probe.words import specified_words, target_words
from labkit.report.cells import flow_words
from labkit.report.table import DIM, GREEN, RED, SENTENCE_WIDTH, Paper
from labkit.report.text import clean

NOTHING_SAID: Final = "the specification says nothing of it: it is no address of a Service"


def flow_text(row: FlowRow, to: Target, paper: Paper) -> str:
    """Return one flow's verdict: what was seen, then the reason for it or what was expected.

    Args:
        row: what was seen and what is expected.
        to: where it went, as it was asked.
        paper: what its reader can show.
    """
    marks = paper.style.marks
    mark = {
        True: paper.paint(marks.passed, GREEN),
        False: paper.paint(marks.failed, RED),
        None: paper.paint("?", DIM),
    }[row.agrees]
    way = clean(f"{row.source} {marks.arrow} {target_words(to, row.protocol)}")
    lines = textwrap.wrap(_verdict(row), SENTENCE_WIDTH)
    return paper.finish(
        [f"{mark}  {way}: {flow_words(row, marks)}", *(f"   {line}" for line in lines)]
    )


def _verdict(row: FlowRow) -> str:
    if row.expected is None:
        return NOTHING_SAID
    if row.agrees:
        return clean(f"as specified: {row.expected.why}")
    return clean(f"not as specified: expected {specified_words(row.expected)}")
