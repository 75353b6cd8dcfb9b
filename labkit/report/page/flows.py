"""Flow tables and Checks as tables of a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from labkit.probe.table import SCHEMA, FlowRow, FlowTable, flow_row
from labkit.probe.verdict import CheckResult, Context, ScenarioResult
from labkit.report.cells import (
    HEADINGS,
    SPECIFIED,
    Style,
    check_lines,
    groups,
    health_check_words,
    specified_words,
)
from labkit.report.page.model import Block, Cell, Group, Mood, Row, Table, Text
from labkit.report.text import UNICODE, table_summary

NAMES_SHOWN: Final = 12
"""Pods of one flow that are named; JSON names all of them."""
STYLE: Final = Style(marks=UNICODE, limit=NAMES_SHOWN)
CHECK_HEADS: Final = ("", "Check", "expected", "from and to", "seen")
CHOOSE: Final = tuple(HEADINGS.index(head) for head in ("source", "via", "outcome"))
MOODS: Final = {
    Mood.GOOD: "as specified",
    Mood.BAD: "not as specified",
    Mood.PLAIN: "not judged",
}
_MOOD_OF: Final = {True: Mood.GOOD, False: Mood.BAD, None: Mood.PLAIN}


def flow_blocks(table: FlowTable) -> Iterator[Block]:
    """Yield a flow table, what its health check ports answered, and its summary."""
    if table.flows:
        yield _flows(table)
    yield from (Text(text=sentence) for sentence in health_check_words(table))
    yield Text(text=table_summary(table), kind="total")


def check_table(result: ScenarioResult, anchors: Sequence[str]) -> Table:
    """Return the Checks, a row for each source.

    Args:
        result: holds them.
        anchors: for each Check where its story is; empty for none.
    """
    rows = [row for each in zip(result.checks, anchors, strict=True) for row in _check_rows(*each)]
    return Table(
        kind="checks",
        name=f"Checks of {result.scenario}",
        heads=CHECK_HEADS,
        groups=(Group(rows=tuple(rows)),),
        moods={Mood.GOOD: "passed", Mood.BAD: "failed"},
        counted="flow",
    )


def asked_flows(result: ScenarioResult) -> FlowTable | None:
    """Return a flow table of what Checks have asked; None if they have asked nothing."""
    by_port: dict[tuple[str, str, str], list[FlowRow]] = {}
    for row in _rows_of(result.checks):
        by_port.setdefault((row.service, row.port, row.protocol), []).append(row)
    if not by_port:
        return None
    return FlowTable(
        schema=SCHEMA,
        scenario=result.scenario,
        dataplane=result.dataplane,
        kernel=result.kernel,
        nodes={},
        clients={},
        flows=tuple(row for rows in by_port.values() for row in rows),
    )


def _rows_of(checks: Sequence[CheckResult]) -> Iterator[FlowRow]:
    for check in checks:
        contexts = check.contexts or (Context(),) * len(check.observations)
        for observation, context in zip(check.observations, contexts, strict=True):
            yield context.row or flow_row(observation)


def _flows(table: FlowTable) -> Table:
    """Rows are in the order of the table's flows, as `labkit.report.cells.groups` gives them."""
    flows = iter(table.flows)
    judged = any(row.agrees is not None for row in table.flows)
    found = tuple(
        Group(
            title=group.title,
            rows=tuple(_flow_row(cells, next(flows), judged=judged) for cells in group.rows),
        )
        for group in groups(table, STYLE)
    )
    return Table(
        kind="flows judged" if judged else "flows",
        name=f"Flows of {table.scenario}",
        heads=(*HEADINGS, SPECIFIED) if judged else HEADINGS,
        groups=found,
        choose=CHOOSE,
        grouped_by="Service",
        moods=MOODS if judged else {},
        counted="flow",
    )


def _flow_row(cells: Sequence[str], row: FlowRow, *, judged: bool) -> Row:
    seen = cells[: len(HEADINGS)]
    mood = _MOOD_OF[row.agrees]
    return Row(cells=(*seen, _specified(row)) if judged else tuple(seen), mood=mood)


def _specified(row: FlowRow) -> Cell | str:
    if row.expected is None or row.agrees is None:
        return ""
    if row.agrees:
        return Cell(lines=(UNICODE.passed,), note=row.expected.why)
    words, _colon, why = specified_words(row).partition(": ")
    return Cell(lines=(f"{UNICODE.failed} {words}",), note=why)


def _check_rows(check: CheckResult, anchor: str) -> Iterator[Row]:
    """A row for each source; the name and what was expected stand out in the first alone."""
    mood = Mood.GOOD if check.passed else Mood.BAD
    mark = UNICODE.passed if check.passed else UNICODE.failed
    for place, (way, seen) in enumerate(check_lines(check, STYLE)):
        again = place > 0
        yield Row(
            cells=(
                Cell(lines=(mark,), mark=mood),
                Cell(lines=(check.name,), to=anchor, quiet=again),
                Cell(lines=(check.expected,), quiet=again),
                way,
                seen,
            ),
            mood=mood,
        )
