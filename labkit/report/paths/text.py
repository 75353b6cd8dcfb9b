"""A path for a terminal: one numbered line for each place, and what changed between them. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from labkit.probe.flow import Outcome
from labkit.report.paths.words import (
    Row,
    attempts_words,
    change_words,
    end_words,
    leg_words,
    more_words,
    rows,
    service,
)
from labkit.report.table import BOLD, DIM, GREEN, RED, SENTENCE_WIDTH, YELLOW, Paper
from labkit.report.text import clean
from labkit.trace.path import Address, Fate, Leg, Path

DEEPER: Final = " " * 8


def paths_text(paths: Sequence[Path], paper: Paper) -> str:
    """Return the paths, one below the other."""
    lines: list[str] = []
    for path in paths:
        lines += [*_path(path, paths, paper), ""]
    return paper.finish(lines[:-1])


def _path(path: Path, paths: Sequence[Path], paper: Paper) -> Iterator[str]:
    flow, arrow = path.flow, paper.style.marks.arrow
    asked = f"{flow.source} {arrow} {Address(flow.address, flow.dport)}"
    how_often = attempts_words(paths, path)
    about = f" {flow.protocol}{service(flow)}, {path.dataplane}"
    yield paper.paint(clean(asked), BOLD) + clean(f"{about}{how_often and f', {how_often}'}")
    for leg in path.legs:
        yield ""
        yield from _leg(leg, paper)
    yield ""
    good = path.outcome is Outcome.CONNECTED
    for line in textwrap.wrap(clean(path.verdict), SENTENCE_WIDTH):
        yield paper.paint(line, GREEN if good else RED)
    if path.specified:
        yield from textwrap.wrap(clean(f"specified: {path.specified}"), SENTENCE_WIDTH)
    for note in (more_words(path), *path.notes):
        if note:
            yield paper.paint(clean(note), DIM)


def _leg(leg: Leg, paper: Paper) -> Iterator[str]:
    yield f"  {paper.paint(clean(leg_words(leg)), BOLD)}"
    found = rows(leg)
    host = max(len(row.host) for row in found)
    where = max(len(row.where) for row in found)
    source = max(len(str(row.source)) for row in found)
    before: Row | None = None
    for row in found:
        for change in row.changes:
            yield f"{DEEPER}{paper.paint(clean(change_words(change)), YELLOW)}"
            yield from _chains(change.chains, paper)
        arrow = paper.style.marks.arrow
        place = f"{row.number:>4}  {clean(row.host):{host}}  {clean(row.where):{where}}"
        ways = f"{row.source!s:{source}} {arrow} {row.destination}"
        same = before is not None and not row.changes
        tunnel = f"  {row.in_tunnel}" if row.in_tunnel else ""
        yield f"{place}  {paper.paint(ways, DIM) if same else ways}{tunnel}"
        before = row
    end = leg.end
    color = {Fate.DELIVERED: DIM}.get(end.fate, RED)
    yield from (
        f"      {paper.paint(line, color)}"
        for line in textwrap.wrap(clean(end_words(end)), SENTENCE_WIDTH)
    )
    yield from _chains(end.chains, paper)
    if end.rule:
        yield f"{DEEPER}{paper.paint(clean(end.rule), DIM)}"


def _chains(chains: Sequence[str], paper: Paper) -> Iterator[str]:
    """The way through the chains; longer than a line, it goes on in the next."""
    if len(chains) < 2:  # noqa: PLR2004 - a chain alone is named already
        return
    for line in textwrap.wrap(
        clean(" > ".join(chains)),
        SENTENCE_WIDTH - len(DEEPER),
        break_long_words=False,
        break_on_hyphens=False,
    ):
        yield f"{DEEPER}  {paper.paint(line, DIM)}"
