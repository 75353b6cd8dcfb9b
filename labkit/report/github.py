"""What GitHub Actions shows of a run: annotations of files, and the summary of a job. Pure.

Source: docs.github.com, "Workflow commands for GitHub Actions": "Setting an error message" and
"Adding a job summary"; actions/runner src/Runner.Common/ActionCommand.cs for what is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from labkit.manifest.problems import Problem
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import flow_name, flow_words, specified_words
from labkit.report.markdown import escape, results_markdown
from labkit.report.text import UNICODE, clean, clean_lines, plural, totals

ROOM_FOR_SUMMARY: Final = 1 << 20
"""Bytes that GitHub takes of one step; of a longer summary it shows nothing."""
FLOWS_TOLD: Final = 5
_DATA: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


class Annotation(NamedTuple):
    """An error at a place of a file."""

    file: str
    line: int
    """From 1; 0 for the file as a whole."""
    column: int
    title: str
    message: str

    @property
    def command(self) -> str:
        """The line that the runner looks for in what a step prints."""
        places = {"file": clean(self.file)}
        if self.line:
            places |= {"line": str(self.line), "col": str(self.column)}
        places["title"] = clean(self.title)
        given = ",".join(f"{name}={value.translate(_PROPERTY)}" for name, value in places.items())
        return f"::error {given}::{clean_lines(self.message).translate(_DATA)}"


def annotations_of(results: Sequence[ScenarioResult]) -> Iterator[Annotation]:
    """Yield an annotation for each Check that failed, and for each scenario that did without one.

    GitHub shows the first ten of a step.
    """
    for result in results:
        yield from (_of_check(check, result) for check in result.checks if not check.passed)
        if result.error is not None:
            yield _of_file(result, "could not be run", result.error)
        wrong = [row for row in (result.table.flows if result.table else ()) if row.agrees is False]
        if wrong:
            lines = [
                f"{flow_name(row, UNICODE)}: {flow_words(row, UNICODE)}; "
                f"specified: {specified_words(row)}"
                for row in wrong[:FLOWS_TOLD]
            ]
            if len(wrong) > FLOWS_TOLD:
                lines.append(f"and {plural(len(wrong) - FLOWS_TOLD, 'more flow')}")
            yield _of_file(
                result, f"{plural(len(wrong), 'flow')} not as specified", "\n".join(lines)
            )


def of_problems(problems: Iterable[Problem]) -> Iterator[Annotation]:
    """Yield an annotation for each problem of a scenario file."""
    for each in problems:
        place = each.location
        yield Annotation(
            file=place.file,
            line=place.line,
            column=place.column,
            title=each.path or "scenario",
            message=f"{each.message}; {each.remedy}",
        )


def summary(results: Sequence[ScenarioResult], room: int = ROOM_FOR_SUMMARY) -> str:
    """Return the report as Markdown in at most ``room`` bytes; empty if nothing fits.

    What failed comes first where not all has room, and what is left out is counted.
    """
    whole = results_markdown(results)
    if len(whole.encode()) <= room:
        return whole
    parts = [
        results_markdown([result]).rpartition("\n**")[0]
        for result in sorted(results, key=lambda result: result.passed)
    ]
    end = f"**{escape(totals(results))}**\n"
    for count in range(len(parts), -1, -1):
        left = (
            f"{plural(len(parts) - count, 'scenario')} left out: GitHub takes 1 MiB of a step.\n\n"
        )
        text = "".join(f"{part}\n" for part in parts[:count]) + left + end
        if len(text.encode()) <= room:
            return text
    return ""


def _of_check(check: CheckResult, result: ScenarioResult) -> Annotation:
    place = check.location
    return Annotation(
        file=place.file if place else result.path,
        line=place.line if place else 0,
        column=place.column if place else 0,
        title=f"{check.name} ({result.dataplane})",
        message="\n".join(check.differences),
    )


def _of_file(result: ScenarioResult, what: str, message: str) -> Annotation:
    title = f"{result.scenario} ({result.dataplane}): {what}"
    return Annotation(file=result.path, line=0, column=0, title=title, message=message)
