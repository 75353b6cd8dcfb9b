"""Reports as JSON: schema ``labkit.dev/report/v1`` for runs, flow tables as they are. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from labkit.probe.flow import Observation
from labkit.probe.table import FlowTable, Kernel, SeenFlow, flow_row
from labkit.probe.verdict import CheckResult, ScenarioResult

SCHEMA: Final = "labkit.dev/report/v1"


class CheckedFlow(SeenFlow, frozen=True, kw_only=True):
    """What a Check saw from one source."""

    http_statuses: dict[int, int]
    """Attempts by HTTP status."""


class CheckReport(Struct, frozen=True, kw_only=True):
    """One Check."""

    name: str
    file: str | None
    line: int | None
    from_: tuple[str, ...] = msgspec.field(name="from")
    to: str
    expected: str
    passed: bool
    differences: tuple[str, ...]
    specified: tuple[str, ...]
    """What the specification says of the flows that differ, and why."""
    command: str
    """What shows more; empty if it passed."""
    elapsed_s: float
    observations: tuple[CheckedFlow, ...]


class ScenarioReport(Struct, frozen=True, kw_only=True):
    """One scenario under one data plane."""

    scenario: str
    path: str
    description: str
    dataplane: str
    kernel: Kernel
    rules: str
    """Where the rules came from."""
    mapped: tuple[str, ...]
    """Addresses of a real cluster that the lab had to change, in words."""
    passed: bool
    error: str | None
    """Why it could not be run."""
    elapsed_s: float
    checks: tuple[CheckReport, ...]
    flow_table: FlowTable | None
    """Of a scenario without Checks."""


class Totals(Struct, frozen=True, kw_only=True):
    """How much was run, and how much of it failed."""

    scenarios: int
    scenarios_failed: int
    checks: int
    checks_failed: int


class Report(Struct, frozen=True, kw_only=True):
    """All that `labkit run` found."""

    schema: Literal["labkit.dev/report/v1"]
    passed: bool
    totals: Totals
    scenarios: tuple[ScenarioReport, ...]


def results_json(results: Sequence[ScenarioResult]) -> str:
    """Return the report of `labkit run`."""
    checks = [check for result in results for check in result.checks]
    report = Report(
        schema=SCHEMA,
        passed=all(result.passed for result in results),
        totals=Totals(
            scenarios=len(results),
            scenarios_failed=sum(not result.passed for result in results),
            checks=len(checks),
            checks_failed=sum(not check.passed for check in checks),
        ),
        scenarios=tuple(_scenario(result) for result in results),
    )
    return _text(report)


def tables_json(tables: Sequence[FlowTable]) -> Iterator[str]:
    """Yield one flow table as itself, several as an array of them; a row at a time."""
    if len(tables) == 1:
        yield from _pieces(tables[0])
        yield "\n"
        return
    yield "["
    for number, table in enumerate(tables):
        yield ",\n  " if number else "\n  "
        # No text in JSON holds the end of a line: each is one of the layout's.
        yield from (piece.replace("\n", "\n  ") for piece in _pieces(table))
    yield "\n]\n" if tables else "]\n"


def _pieces(table: FlowTable) -> Iterator[str]:
    """The text of a table without the end of its last line: its rows are its last field."""
    whole = _text(structs.replace(table, flows=())).rstrip("\n")
    head, _rows, tail = whole.rpartition("[]")
    yield f"{head}["
    for number, row in enumerate(table.flows):
        yield ",\n    " if number else "\n    "
        yield _text(row).rstrip("\n").replace("\n", "\n    ")
    yield f"\n  ]{tail}" if table.flows else f"]{tail}"


def _scenario(result: ScenarioResult) -> ScenarioReport:
    return ScenarioReport(
        scenario=result.scenario,
        path=_encodable(result.path),
        description=_encodable(result.description),
        dataplane=result.dataplane,
        kernel=result.kernel,
        rules=result.rules,
        mapped=tuple(map(_encodable, result.mapped)),
        passed=result.passed,
        error=None if result.error is None else _encodable(result.error),
        elapsed_s=result.elapsed_s,
        checks=tuple(_check(check) for check in result.checks),
        flow_table=result.table,
    )


def _check(check: CheckResult) -> CheckReport:
    return CheckReport(
        name=_encodable(check.name),
        file=_encodable(check.location.file) if check.location else None,
        line=check.location.line if check.location else None,
        from_=check.sources,
        to=check.to,
        expected=_encodable(check.expected),
        passed=check.passed,
        differences=tuple(map(_encodable, check.differences)),
        specified=tuple(map(_encodable, check.specified)),
        command=_encodable(check.command),
        elapsed_s=check.elapsed_s,
        observations=tuple(_observed(each) for each in check.observations),
    )


def _observed(observation: Observation) -> CheckedFlow:
    row = flow_row(observation)
    seen = {name: getattr(row, name) for name in SeenFlow.__struct_fields__}
    return CheckedFlow(**seen, http_statuses=dict(observation.http_statuses))


def _encodable(text: str) -> str:
    """Free text and file names may hold lone surrogates, which UTF-8 has no bytes for."""
    return text.encode(errors="replace").decode()


def _text(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
