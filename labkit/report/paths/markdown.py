"""A path as Markdown: the sequence diagram, and a table of each packet's places. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.report.markdown import escape, pipe_table
from labkit.report.paths.mermaid import paths_mermaid
from labkit.report.paths.words import (
    Row,
    attempts_words,
    change_words,
    end_words,
    leg_words,
    more_words,
    rows,
    title,
)
from labkit.report.text import clean
from labkit.trace.path import Leg, Path


def paths_markdown(paths: Sequence[Path]) -> str:
    """Return each path with its diagram and tables."""
    lines: list[str] = []
    for path in paths:
        lines += _path(path, paths)
    return "\n".join(lines)


def _path(path: Path, paths: Sequence[Path]) -> Iterator[str]:
    how_often = attempts_words(paths, path)
    yield f"## {escape(title(path))}"
    yield ""
    yield escape(f"{path.dataplane}{how_often and f', {how_often}'}. {path.verdict}.")
    yield ""
    if path.legs:
        yield "```mermaid"
        yield paths_mermaid([path]).rstrip("\n")
        yield "```"
        yield ""
    for leg in path.legs:
        yield from _leg(leg)
    specified = f"Specified: {path.specified}" if path.specified else ""
    for note in (specified, more_words(path), *path.notes):
        if note:
            yield escape(f"{note}.")
            yield ""


def _leg(leg: Leg) -> Iterator[str]:
    yield f"**{escape(leg_words(leg))}**"
    yield ""
    heads = ("", "host", "interface", "source", "destination", "what changed")
    yield from pipe_table(heads, map(_cells, rows(leg)))
    yield ""
    yield f"{escape(end_words(leg.end))}."
    if leg.end.rule:
        yield ""
        yield f"    {clean(leg.end.rule)}"
    yield ""


def _cells(row: Row) -> tuple[str, ...]:
    changed = "; ".join(map(change_words, row.changes))
    more = "; ".join(each for each in (changed, row.in_tunnel) if each)
    return (str(row.number), row.host, row.where, str(row.source), str(row.destination), more)
