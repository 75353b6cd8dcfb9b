"""What went wrong, as stories: asked, expected, seen, why, and what to do next. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.probe.table import FlowRow, flow_row
from labkit.probe.verdict import CheckResult, Context, ScenarioResult
from labkit.probe.words import joined
from labkit.report.cells import Style, check_lines, flow_name, flow_words
from labkit.report.evidence import Evidence
from labkit.report.page.model import (
    Block,
    Code,
    Command,
    Commands,
    Drawing,
    Facts,
    Fold,
    Heading,
    Story,
    Text,
)
from labkit.report.paths.sequence import sequence_diagram
from labkit.report.paths.text import paths_text
from labkit.report.paths.words import title
from labkit.report.table import Paper
from labkit.report.text import UNICODE
from labkit.trace.path import Path

STYLE: Final = Style(marks=UNICODE, limit=12)
MOST_TOLD: Final = 25
"""Stories of one lab; the others are rows of its tables."""
FAULT: Final = (
    "Kubernetes specifies something else than what was seen, so the rules, the kernel or the "
    "program that answers is at fault."
)
ASKED_FOR_OTHER: Final = (
    "What was seen is what Kubernetes specifies. It is the Check that asks for something else, or "
    "a field of the manifest that is not what you meant."
)
UNJUDGED: Final = "The specification says nothing of this flow."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a report is about, for the commands that look closer."""

    path: str
    dataplane: str
    lab: str
    evidence: Evidence | None = None


def check_story(check: CheckResult, anchor: str, of: Source) -> Story:
    """Return the story of a Check that failed."""
    rows = _judged_rows(check)
    lines = check_lines(check, STYLE)
    place = check.location
    several = len(lines) > 1
    return Story(
        anchor=anchor,
        title=check.name,
        way="; ".join(way for way, _ in lines),
        place=f"{place.file}:{place.line}" if place and place.line else "",
        blocks=(
            *(Text(text=difference, kind="bad") for difference in check.differences),
            Facts(
                rows=(
                    ("expected", (check.expected,)),
                    ("seen", tuple(f"{way}: {seen}" if several else seen for way, seen in lines)),
                    *_specification(rows),
                )
            ),
            *(Text(text=each) for each in dict.fromkeys(map(_reading, rows))),
            *_paths(rows, anchor, of),
            _next(rows, of),
        ),
    )


def flow_story(row: FlowRow, anchor: str, of: Source) -> Story:
    """Return the story of a flow that did not end as specified."""
    return Story(
        anchor=anchor,
        title=flow_name(row, UNICODE),
        way="",
        place="",
        blocks=(
            Facts(rows=(("seen", (flow_words(row, UNICODE),)), *_specification([row]))),
            Text(text=FAULT),
            *_paths([row], anchor, of),
            _next([row], of),
        ),
    )


def _judged_rows(check: CheckResult) -> list[FlowRow]:
    contexts = check.contexts or (Context(),) * len(check.observations)
    pairs = zip(check.observations, contexts, strict=True)
    return [context.row or flow_row(observation) for observation, context in pairs]


def _specification(rows: Sequence[FlowRow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the specification says, and why; once for flows of which it says the same."""
    said = dict.fromkeys(
        (_expected_words(row), row.expected.why) for row in rows if row.expected is not None
    )
    if said:
        yield "specified", tuple(words for words, _ in said)
        yield "why", tuple(dict.fromkeys(why for _, why in said))


def _expected_words(row: FlowRow) -> str:
    if row.expected is None:
        return ""
    by = f" by {joined(row.expected.backends)}" if row.expected.backends else ""
    sources = joined(row.expected.client_sources, "or")
    return f"{row.expected.outcome}{by}{f', source {sources}' if sources else ''}"


def _reading(row: FlowRow) -> str:
    if row.agrees is None:
        return UNJUDGED
    return ASKED_FOR_OTHER if row.agrees else FAULT


def _paths(rows: Sequence[FlowRow], anchor: str, of: Source) -> Iterator[Block]:
    """The ways of the flows' packets, asked for again after the flow had failed."""
    keys = {_key(row) for row in rows}
    found = [path for path in (of.evidence.paths if of.evidence else ()) if path_key(path) in keys]
    if found:
        yield Heading(text="The packets' way, asked again", small=True)
    for number, path in enumerate(found, start=1):
        yield Text(text=f"{path.flow.source} {UNICODE.arrow} {path.flow.address}:{path.flow.dport}")
        yield Text(text=path.verdict, kind="total")
        diagram = sequence_diagram(path, f"{anchor}-p{number}")
        if diagram:
            yield Drawing(svg=diagram, name=f"Sequence diagram of {title(path)}")
        words = Code(text=paths_text([path], Paper()))
        yield Fold(title="Every hop, in words", blocks=(words,))


def path_key(path: Path) -> tuple[str, str, int, str]:
    """Return what tells the flow of a path from others of the lab."""
    flow = path.flow
    return flow.source, str(flow.address), flow.dport, flow.protocol


def _key(row: FlowRow) -> tuple[str, str, int, str]:
    return row.source, row.address, row.dport, row.protocol


def _next(rows: Sequence[FlowRow], of: Source) -> Commands:
    """Commands about the first of the flows, which can be typed as they are."""
    row = next((row for row in rows if row.expected is not None), rows[0])
    file = shlex.quote(of.path) if of.path else "FILE"
    flow = f"{shlex.quote(row.source)} {shlex.quote(f'{row.address}:{row.dport}')}"
    protocol = "" if row.protocol == "TCP" else f" --protocol {row.protocol}"
    plane = f" --dataplane {shlex.quote(of.dataplane)}"
    explain = Command(
        line=f"labkit explain {file} {flow}{protocol}{plane}",
        does="the field of the manifest that decides, reason by reason",
    )
    trace = Command(
        line=f"labkit trace {file} {flow}{protocol}{plane}",
        does="the packets' way, hop by hop, and the rule that did it",
    )
    return Commands(
        title="What to do next",
        commands=(
            *([explain] if row.expected is not None else []),
            trace,
            Command(
                line=f"labkit up {file}{plane}",
                does=f"the same lab to look around in: labkit exec {shlex.quote(of.lab)} "
                f"{shlex.quote(row.source)} -- COMMAND",
            ),
        ),
    )


def failed_flows(result: ScenarioResult) -> tuple[FlowRow, ...]:
    """Rows of a scenario's flow table that are not as specified."""
    rows = result.table.flows if result.table else ()
    return tuple(row for row in rows if row.agrees is False)
