"""What was run and found, as the sections of a page. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from labkit.probe.table import FlowRow
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import flow_name
from labkit.report.evidence import Evidence
from labkit.report.graph.svg import inline_picture
from labkit.report.graph.topology import topology_of
from labkit.report.page.flows import asked_flows, check_table, flow_blocks
from labkit.report.page.markup import Markup
from labkit.report.page.model import (
    Block,
    Code,
    Command,
    Commands,
    Drawing,
    Entry,
    Fold,
    Heading,
    Mood,
    Section,
    Text,
)
from labkit.report.page.stories import MOST_TOLD, Source, check_story, failed_flows, flow_story
from labkit.report.text import UNICODE, plural, setting_lines, table_summary

RULES_ROOM: Final = 2_000_000
"""Characters of rules for each lab: thousands of Services on a hundred nodes have far more."""
LOG_ROOM: Final = 100_000
"""Characters of what one program has printed, its last ones."""


class Others(NamedTuple):
    """What else is on a page."""

    folds: bool
    """Whether what passed is but a line that the reader opens."""
    one_plane: bool
    """Whether all are under the same data plane."""


class Told(NamedTuple):
    """A section, and where it leads from the page's index."""

    section: Section
    entry: Entry


def scenario(result: ScenarioResult, evidence: Evidence | None, number: int, on: Others) -> Told:
    """Return the section of one scenario under one data plane.

    Args:
        result: what was found.
        evidence: what is known of the lab; None if nothing.
        number: of the section on its page.
        on: what else is on the page.
    """
    anchor = f"s{number}"
    stories = _stories(result, anchor)
    mood = _mood(result)
    said = [line for line in map(str.strip, result.description.splitlines()) if line]
    section = Section(
        anchor=anchor,
        title=result.scenario if on.one_plane else f"{result.scenario} ({result.dataplane})",
        mood=mood,
        lead="".join(said[:1]),
        text=" ".join(said[1:]),
        setting=setting_lines(result),
        folded=_summary(result) if result.passed and on.folds else None,
        blocks=(
            *_error(result),
            *_told(result, stories, evidence),
            *_checks(result, stories),
            *picture_blocks(evidence, anchor),
            *_table(result),
            *lab_blocks(evidence),
        ),
    )
    under = tuple((to, name) for to, name, _ in stories)
    entry = Entry(to=anchor, text=section.title, mood=mood, note=_summary(result), under=under)
    return Told(section, entry)


def picture_blocks(evidence: Evidence | None, anchor: str) -> Iterator[Block]:
    """Yield the topology."""
    if evidence is not None:
        picture = Markup(inline_picture(topology_of(evidence.cluster), f"{anchor}-topology"))
        yield Heading(text="Topology")
        yield Drawing(svg=picture, name=f"Topology of {evidence.cluster.name}")


def lab_blocks(evidence: Evidence | None) -> Iterator[Block]:
    """Yield the rules of each node, and what programs printed."""
    if evidence is None:
        return
    if evidence.rules:
        yield Heading(text="Rules")
        yield from _rules(evidence)
    if any(evidence.logs.values()):
        yield Heading(text="Logs")
        yield from (
            _folded(f"What {where} printed", text[-LOG_ROOM:], whole=text)
            for where, text in evidence.logs.items()
            if text
        )


def _rules(evidence: Evidence) -> Iterator[Block]:
    """The rules of each node, as long as a page of them can be opened at all."""
    room, left_out = RULES_ROOM, 0
    for node, text in evidence.rules.items():
        shown = text if len(text) <= room else ""
        room -= len(shown)
        left_out += len(text) - len(shown)
        yield _folded(f"Rules of {node}", shown, whole=text)
    if left_out:
        file = shlex.quote(evidence.file) if evidence.file else "FILE"
        line = f"labkit rules {file} --node NODE"
        does = "the rules of a node that are too many for this page"
        yield Commands(title="", commands=(Command(line=line, does=does),))


def _folded(title: str, text: str, *, whole: str) -> Fold:
    """Text that the reader opens, or as much of it as is shown."""
    lines = text.rstrip("\n")
    count = plural(len(whole.splitlines()), "line") if whole else "none"
    note = (
        count
        if len(text) == len(whole)
        else f"{count}, {'the last of them' if text else 'left out'}"
    )
    return Fold(title=title, note=note, blocks=(Code(text=lines),) if lines else ())


class _StoryOf(NamedTuple):
    anchor: str
    name: str
    about: CheckResult | FlowRow


def _stories(result: ScenarioResult, anchor: str) -> list[_StoryOf]:
    failed: list[tuple[str, CheckResult | FlowRow]] = [
        (check.name, check) for check in result.checks if not check.passed
    ]
    failed += [(flow_name(row, UNICODE), row) for row in failed_flows(result)]
    return [
        _StoryOf(f"{anchor}-f{place}", name, about)
        for place, (name, about) in enumerate(failed[:MOST_TOLD], start=1)
    ]


def _mood(result: ScenarioResult) -> Mood:
    if not result.passed:
        return Mood.BAD
    unjudged = result.table is not None and any(row.agrees is None for row in result.table.flows)
    return Mood.PLAIN if unjudged else Mood.GOOD


def _summary(result: ScenarioResult) -> str:
    if result.error is not None:
        return "could not be run"
    if result.table is not None:
        return table_summary(result.table)
    failed = sum(not check.passed for check in result.checks)
    checks = plural(len(result.checks), "check")
    return f"{failed} of {checks} failed" if failed else f"{checks} passed"


def _error(result: ScenarioResult) -> Iterator[Block]:
    if result.error is not None:
        yield Text(text=f"{result.path}:")
        yield Code(text=result.error, kind="bad")


def _told(
    result: ScenarioResult, stories: Sequence[_StoryOf], evidence: Evidence | None
) -> Iterator[Block]:
    if not stories:
        return
    yield Heading(text="What failed")
    source = Source(
        path=result.path, dataplane=result.dataplane, lab=result.scenario, evidence=evidence
    )
    for anchor, _name, about in stories:
        if isinstance(about, CheckResult):
            yield check_story(about, anchor, source)
        else:
            yield flow_story(about, anchor, source)
    failed = sum(not check.passed for check in result.checks) + len(failed_flows(result))
    if failed > len(stories):
        yield Text(text=f"{failed - len(stories)} more are in the tables below.")
    if evidence is not None:
        yield from (Text(text=note, kind="quiet") for note in evidence.notes)


def _checks(result: ScenarioResult, stories: Sequence[_StoryOf]) -> Iterator[Block]:
    if not result.checks:
        return
    anchors = {id(about): anchor for anchor, _name, about in stories}
    yield Heading(text="Checks")
    yield check_table(result, [anchors.get(id(check), "") for check in result.checks])


def _table(result: ScenarioResult) -> Iterator[Block]:
    table = result.table or asked_flows(result)
    if table is not None:
        yield Heading(text="Flows")
        yield from flow_blocks(table)
