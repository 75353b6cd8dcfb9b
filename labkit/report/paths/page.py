"""Paths as one HTML page: each with its sequence diagram, and every hop in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.probe.flow import Outcome
from labkit.report.page.model import Block, Code, Drawing, Fold, Mood, Page, Section, Text
from labkit.report.page.render import page_html
from labkit.report.paths.sequence import sequence_diagram
from labkit.report.paths.text import paths_text
from labkit.report.paths.words import attempts_words, more_words, title
from labkit.report.table import Paper
from labkit.trace.path import Path


def paths_html(paths: Sequence[Path]) -> str:
    """Return the page."""
    sections = tuple(_section(number, path, paths) for number, path in enumerate(paths, start=1))
    headline = title(paths[0]) if paths else "no path"
    moods = {section.mood for section in sections}
    return page_html(
        Page(
            title=f"labkit: {headline}",
            headline=headline,
            mood=moods.pop() if len(moods) == 1 else Mood.PLAIN,
            summary="the packets' way, and what was done to them",
            sections=sections,
        )
    )


def _section(number: int, path: Path, paths: Sequence[Path]) -> Section:
    how_often = attempts_words(paths, path)
    return Section(
        anchor=f"path{number}",
        title=f"{path.dataplane}{how_often and f', {how_often}'}",
        mood=Mood.GOOD if path.outcome is Outcome.CONNECTED else Mood.BAD,
        lead=path.verdict,
        text=f"specified: {path.specified}" if path.specified else "",
        blocks=tuple(_blocks(number, path)),
    )


def _blocks(number: int, path: Path) -> Iterator[Block]:
    if diagram := sequence_diagram(path, f"path{number}"):
        yield Drawing(svg=diagram, name=f"Sequence diagram of {title(path)}")
    words = Code(text=paths_text([path], Paper()))
    yield Fold(title="Every hop, in words", blocks=(words,))
    for note in (more_words(path), *path.notes):
        if note:
            yield Text(text=note, kind="quiet")
