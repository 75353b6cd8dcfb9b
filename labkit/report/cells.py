"""Flow tables and Checks as rows of text cells, the same for every format. Pure.

Formats escape; the cells hold no markup, and nothing that `labkit.report.text.clean` would change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NamedTuple

from labkit.probe import words
from labkit.probe.flow import Observation
from labkit.probe.table import FlowRow, FlowTable, SeenFlow, flow_row
from labkit.probe.verdict import CheckResult, Context
from labkit.probe.words import PRESERVED, words_by_address
from labkit.report.text import Marks, clean, counted, outcome_words, shortened

HEADINGS: Final = ("source", "destination", "via", "outcome", "answered by", "client source")
SPECIFIED: Final = "specified"

Owners = Mapping[str, frozenset[str]]
"""Hosts by the addresses that they are known to have."""


class Group(NamedTuple):
    """The flows to one port of one Service."""

    title: str
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How cells are written: the signs, and after how many names a list is cut; None for never."""

    marks: Marks
    limit: int | None = None


def headings(table: FlowTable) -> tuple[str, ...]:
    """Return the headings of a flow table's columns."""
    return (*HEADINGS, SPECIFIED) if _is_judged(table) else HEADINGS


def groups(table: FlowTable, style: Style) -> Iterator[Group]:
    """Yield the rows of a flow table, by Service port."""
    owners = _owners(table)
    judged = _is_judged(table)
    for title, rows in groupby(table.flows, key=_title):
        yield Group(
            title,
            tuple(
                (*_flow_cells(row, owners, style), *([_specified(row, style)] if judged else []))
                for row in rows
            ),
        )


def health_check_words(table: FlowTable) -> tuple[str, ...]:
    """Return ``default/web node1:32000 answers 200`` for each health check port of each node."""
    return tuple(
        clean(f"{check.service} {check.node}:{check.port} answers {check.status}")
        for check in table.health_checks
    )


def check_cells(check: CheckResult, style: Style) -> tuple[tuple[str, ...], ...]:
    """Return a row for each source: way, outcome, who answered, client source."""
    contexts = check.contexts or (Context(),) * len(check.observations)
    rows = [
        (
            f"{clean(observation.flow.source)} {style.marks.arrow} {clean(check.to)}",
            outcome_words(observation.outcomes, style.marks),
            _answered(observation, context, style),
            _client_source(flow_row(observation), _words(context), style),
        )
        for observation, context in zip(check.observations, contexts, strict=True)
    ]
    sources = ", ".join(clean(source) for source in check.sources)
    return tuple(rows) or ((f"{sources} {style.marks.arrow} {clean(check.to)}", "", "", ""),)


def check_lines(check: CheckResult, style: Style) -> tuple[tuple[str, str], ...]:
    """Return for each source the way and what was seen.

    ``connected, web-1 ×20, source 192.168.0.2 = node2``.
    """
    return tuple(
        (way, ", ".join(each for each in (outcome, answered, seen and f"source {seen}") if each))
        for way, outcome, answered, seen in check_cells(check, style)
    )


def flow_name(row: SeenFlow, marks: Marks) -> str:
    """Return ``client → NodePort node2 192.168.0.2:30080 (default/web:http TCP)``."""
    return clean(
        f"{row.source} {marks.arrow} {' '.join(_via(row))} {row.address}:{row.dport} "
        f"({_title(row)})"
    )


def flow_words(row: SeenFlow, marks: Marks) -> str:
    """Return what was seen of a flow on one line: outcome, who answered, client source."""
    style = Style(marks=marks)
    cells = (
        outcome_words(row.outcomes, marks),
        counted(row.backends, marks),
        _client_source(row, {}, style),
    )
    return "; ".join(cell for cell in cells if cell)


def specified_words(row: FlowRow) -> str:
    """Return what the specification says of a flow, and why; empty where it says nothing."""
    return "" if row.expected is None else clean(words.specified_words(row.expected))


def _flow_cells(row: FlowRow, owners: Owners, style: Style) -> tuple[str, ...]:
    return (
        clean(row.source),
        clean(f"{row.address}:{row.dport}"),
        clean(" ".join(_via(row))),
        outcome_words(row.outcomes, style.marks),
        counted(row.backends, style.marks, style.limit),
        _client_source(row, _known_words(row, owners), style),
    )


def _words(context: Context) -> dict[str, str]:
    return {str(seen): word for seen, word in context.words.items()}


def _answered(observation: Observation, context: Context, style: Style) -> str:
    """Who answered; where a capture was asked for, whose address the reply carried."""
    parts = [counted(observation.backends, style.marks, style.limit)]
    parts += [
        f"HTTP {status} {style.marks.times}{count}"
        for status, count in observation.http_statuses.items()
        # An answer with a pod's name says enough.
        if not observation.backends
    ]
    if context.reply is not None and context.reply.senders:
        senders = (" = ".join((str(each.address), *each.names)) for each in context.reply.senders)
        parts.append(clean(f"reply from {', '.join(senders)}"))
        parts += ["reset by the source"] if context.reply.source_sent_rst else []
    return ", ".join(part for part in parts if part)


def _client_source(row: SeenFlow, known: Mapping[str, str], style: Style) -> str:
    """The addresses that pods saw, by what they are: ``10.244.2.1, 192.168.0.2 = node2``."""
    words = words_by_address(row.sources_seen, row.client_sources, known)
    by_word: dict[str, list[str]] = {}
    for address in row.sources_seen:
        # An address whose word cannot be told gets all that are left to choose from.
        rest = [word for word in row.client_sources if word not in words.values()]
        word = words.get(address, " or ".join(rest or row.client_sources))
        by_word.setdefault(word, []).append(address)
    parts = [
        ", ".join(shortened([clean(each) for each in addresses], style.marks, style.limit))
        + ("" if addresses == [word] or not word else f" = {clean(word)}")
        for word, addresses in by_word.items()
    ]
    return "; ".join(parts)


def _known_words(row: SeenFlow, owners: Owners) -> dict[str, str]:
    """The word of each address that only one of this row's words fits."""
    known: dict[str, str] = {}
    for address in row.sources_seen:
        hosts = owners.get(address, frozenset())
        words = {PRESERVED if host == row.source else host for host in hosts}
        fitting = words.intersection(row.client_sources)
        if len(fitting) == 1:
            known[address] = fitting.pop()
    return known


def _owners(table: FlowTable) -> Owners:
    """Whose each address is, from what the table says and from rows that leave no doubt."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for name, address in [*table.nodes.items(), *table.clients.items()]:
        found[address].add(name)
    for row in table.flows:
        if row.via == "PodIP" and len(row.backends) == 1:
            found[row.address].update(row.backends)
        if len(row.client_sources) == 1:
            (word,) = row.client_sources
            for address in row.sources_seen:
                found[address].add(row.source if word == PRESERVED else word)
    return {address: frozenset(names) for address, names in found.items()}


def _title(row: SeenFlow) -> str:
    if not row.service:
        return f"no Service's {row.protocol}"
    port = f":{row.port}" if row.port else ""
    return clean(f"{row.service}{port} {row.protocol}")


def _via(row: SeenFlow) -> Sequence[str]:
    return [word for word in (row.via, row.node) if word]


def _is_judged(table: FlowTable) -> bool:
    return any(row.agrees is not None for row in table.flows)


def _specified(row: FlowRow, style: Style) -> str:
    if row.agrees is None:
        return ""
    if row.agrees:
        return style.marks.passed
    return f"{style.marks.failed} {specified_words(row)}"
