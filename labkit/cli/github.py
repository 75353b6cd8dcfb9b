"""Tells GitHub Actions what a command has found, where it runs there.

The runner looks for its commands in stdout and stderr alike; on stderr they are not in the report.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labkit.lab.github import SUMMARY, in_repository, on_github, summary_file

if TYPE_CHECKING:
    from labkit.errors import ManifestError
    from labkit.probe.verdict import ScenarioResult
    from labkit.report.github import Annotation


def tell_github(results: Sequence[ScenarioResult]) -> None:
    """Annotate the Checks that failed, and add the report to the job's summary."""
    if not on_github():
        return
    from labkit.report.github import annotations_of

    annotate(annotations_of(results))
    if file := summary_file():
        try:
            _add_to_summary(file, results)
        except OSError as error:
            click.echo(f"labkit: {SUMMARY} {file}: {error.strerror}; no summary", err=True)


def tell_problems(error: ManifestError) -> None:
    """Annotate what is wrong with a scenario."""
    if on_github():
        from labkit.report.github import of_problems

        annotate(of_problems(error.problems))


def annotate(found: Iterable[Annotation]) -> None:
    """Print annotations for the runner."""
    for each in found:
        click.echo(each._replace(file=in_repository(each.file)).command, err=True)


def _add_to_summary(file: Path, results: Sequence[ScenarioResult]) -> None:
    from labkit.report.github import ROOM_FOR_SUMMARY, summary

    there = file.stat().st_size if file.exists() else 0
    text = summary(results, ROOM_FOR_SUMMARY - there - 1)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(f"\n{text}" if text and there else text)
