"""The report of `labkit explain`: what must become of a flow, reason by reason. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import msgspec
from msgspec import Struct

from labkit.probe.expected import Explanation
from labkit.probe.table import Expected
from labkit.probe.words import joined
from labkit.report.table import BOLD, DIM, SENTENCE_WIDTH, Paper
from labkit.report.text import clean

SCHEMA: Final = "labkit.dev/explanation/v1"


class Reason(Struct, frozen=True, kw_only=True):
    """One reason."""

    sentence: str
    reference: str


class Explained(Struct, frozen=True, kw_only=True):
    """One flow under one data plane."""

    schema: str
    dataplane: str
    source: str
    service: str
    port: str
    protocol: str
    via: str | None
    node: str | None
    address: str
    dport: int
    expected: Expected
    http_status: int | None
    """What a health check port answers."""
    reasons: tuple[Reason, ...]


def explanations_text(found: Sequence[Explanation], paper: Paper) -> str:
    """Return the reasoning for a terminal: a part for each data plane, or for those alike."""
    planes: dict[Explanation, list[str]] = {}
    for each in found:
        planes.setdefault(replace(each, dataplane=""), []).append(each.dataplane)
    lines: list[str] = []
    for each, names in planes.items():
        lines += [*_lines(each, names, paper), ""]
    return paper.finish(lines[:-1])


def explanations_json(found: Sequence[Explanation]) -> str:
    """Return the reasoning as JSON: an object, or a list of them for several data planes."""
    objects = [_explained(each) for each in found]
    encoded = msgspec.json.encode(objects[0] if len(objects) == 1 else objects)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _lines(each: Explanation, planes: Sequence[str], paper: Paper) -> Iterator[str]:
    flow, arrow = each.flow, paper.style.marks.arrow
    port = f":{flow.port}" if flow.port else ""
    via = " ".join(word for word in (flow.via, flow.node) if word)
    way = paper.paint(clean(f"{flow.source} {arrow} {flow.address}:{flow.dport}"), BOLD)
    to = clean(f"{via} of {flow.service}{port} {flow.protocol}")
    yield f"{way}: {to}, {joined(planes)}"
    yield ""
    yield f"  expected: {clean(_expected_words(each))}"
    for number, reason in enumerate(each.reasons, start=1):
        yield ""
        first, *more = textwrap.wrap(clean(reason.sentence), SENTENCE_WIDTH)
        yield f"  {number}. {first}"
        yield from (f"     {line}" for line in more)
        yield paper.paint(f"     {reason.reference}", DIM)


def _expected_words(each: Explanation) -> str:
    expected = each.expected
    who = joined(expected.backends, "or" if each.held else "and")
    by = f", answered by {who}" if who else ""
    sources = joined(expected.client_sources, "or")
    if each.http_status is not None:
        return f"{expected.outcome}, HTTP {each.http_status}"
    return f"{expected.outcome}{by}{f', client source {sources}' if sources else ''}"


def _explained(each: Explanation) -> Explained:
    flow = each.flow
    return Explained(
        schema=SCHEMA,
        dataplane=each.dataplane,
        source=flow.source,
        service=flow.service,
        port=flow.port,
        protocol=flow.protocol,
        via=flow.via,
        node=flow.node,
        address=str(flow.address),
        dport=flow.dport,
        expected=each.expected,
        http_status=each.http_status,
        reasons=tuple(Reason(sentence=r.sentence, reference=r.reference) for r in each.reasons),
    )
