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
from labkit.report.page.model import (
    Block,
    Cell,
    Entry,
    Facts,
    Group,
    Heading,
    Index,
    Mood,
    Page,
    Row,
    Section,
    Table,
    Text,
)
from labkit.report.page.render import page_html
from labkit.report.text import UNICODE, clean, plural

STYLE: Final = Style(marks=UNICODE)


def diff_html(comparisons: Sequence[Comparison]) -> str:
    """Return the report: every comparison, then what no flow shows."""
    sections = [_comparison(found, place) for place, found in enumerate(comparisons, start=1)]
    passed = all(found.passed for found in comparisons)
    return page_html(
        Page(
            title="labkit: what changes under another data plane",
            headline=_headline(comparisons),
            mood=Mood.GOOD if passed else Mood.BAD,
            summary=totals(comparisons),
            top=tuple(_index(sections)),
            sections=(*sections, *_unseen(comparisons)),
        )
    )


def _headline(comparisons: Sequence[Comparison]) -> str:
    ways = dict.fromkeys(
        f"{found.before.dataplane} {UNICODE.arrow} {found.after.dataplane}" for found in comparisons
    )
    return f"What changes: {', '.join(ways)}" if ways else "Nothing was compared"


def _index(sections: Sequence[Section]) -> Iterator[Block]:
    if len(sections) > 1:
        entries = (
            Entry(to=each.anchor, text=each.title, mood=each.mood or Mood.PLAIN)
            for each in sections
        )
        yield Index(name="Comparisons", entries=tuple(entries))


def _comparison(found: Comparison, number: int) -> Section:
    blocks: list[Block] = []
    for service, causes in changes(found, STYLE):
        blocks.append(Heading(text=service))
        for cause in causes:
            blocks += _cause(found, cause)
    blocks += [Text(text=sentence) for sentence in endings(found, STYLE)]
    return Section(
        anchor=f"c{number}",
        title=heading(found, STYLE),
        mood=Mood.GOOD if found.passed else Mood.BAD,
        setting=setting_lines(found),
        blocks=tuple(blocks),
    )


def _unseen(comparisons: Sequence[Comparison]) -> Iterator[Section]:
    causes = unseen_causes(comparisons)
    if causes:
        blocks: list[Block] = []
        for cause in causes:
            blocks += [Heading(text=cause.name), *_texts(cause)]
        yield Section(anchor="unseen", title=UNSEEN_TITLE, blocks=tuple(blocks))


def _cause(found: Comparison, cause: Cause) -> Iterator[Block]:
    yield Heading(text=f"{cause.name} ({plural(cause.flows, 'flow')})", small=True)
    yield from _texts(cause)
    mood = Mood.BAD if cause.name == UNNAMED else Mood.PLAIN
    yield Table(
        kind="changes",
        name=f"{cause.name}: flows that change",
        heads=("flows", clean(found.before.dataplane), clean(found.after.dataplane)),
        groups=(Group(rows=tuple(_row(line, mood) for line in cause.lines)),),
        counted="line",
    )


def _texts(cause: Cause) -> Iterator[Block]:
    if cause.told:
        yield Text(text=AS_ABOVE)
        return
    yield Text(text=cause.sentence)
    source = [("source", (cause.source,))] if cause.source else []
    yield Facts(rows=(("what to do", (cause.advice,)), *source))


def _row(line: Line, mood: Mood) -> Row:
    return Row(
        cells=(line.flows, line.before, Cell(lines=(line.after,), note=line.note)), mood=mood
    )
