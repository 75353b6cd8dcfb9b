"""The report of `labkit conformance` as one HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from labkit.probe.conformance import Conformance, ScenarioConformance, sentence_of
from labkit.report.conformance import HEAD, not_run_lines, scenario_row, summary_words, wrong_lines
from labkit.report.findings_html import findings_section
from labkit.report.page.model import (
    Block,
    Facts,
    Group,
    Heading,
    Mood,
    Page,
    Row,
    Section,
    Table,
    Text,
)
from labkit.report.page.render import page_html
from labkit.report.table import Paper
from labkit.report.text import kernel_words, plural

MOODS = {Mood.GOOD: "conforms", Mood.BAD: "does not conform", Mood.PLAIN: "not run"}


def conformance_html(found: Conformance) -> str:
    """Return the report: what is wrong, the deviations by name, the truth table."""
    sections = [*_wrong(found), *_deviations(found), _scenarios(found)]
    if found.findings is not None:
        sections.append(findings_section(found.findings, "random", "Random clusters"))
    verdict = "conforms" if found.passed else "does not conform"
    return page_html(
        Page(
            title=f"labkit: {found.name} {verdict}",
            headline=f"{found.name} {verdict}",
            mood=Mood.GOOD if found.passed else Mood.BAD,
            summary=summary_words(found),
            top=(Facts(rows=(("kernel", (kernel_words(found.kernel),)),)),),
            sections=tuple(sections),
        )
    )


def _wrong(found: Conformance) -> Iterator[Section]:
    wrong = [Text(text=line) for line in wrong_lines(found, Paper())]
    if wrong:
        yield Section(anchor="wrong", title="What is wrong", mood=Mood.BAD, blocks=tuple(wrong))


def _deviations(found: Conformance) -> Iterator[Section]:
    blocks: list[Block] = []
    for deviation, flows in found.deviations.items():
        blocks += [
            Heading(text=f"{deviation.name} ({plural(flows, 'flow')})"),
            Text(text=sentence_of(found, deviation)),
            Text(text=f"Source: {deviation.source}", kind="quiet"),
        ]
    if blocks:
        yield Section(
            anchor="deviations", title="Where it deviates, as it is known to", blocks=tuple(blocks)
        )


def _scenarios(found: Conformance) -> Section:
    rows = (Row(cells=scenario_row(each), mood=_mood(each)) for each in found.scenarios)
    table = Table(
        kind="conformance",
        name="Scenarios",
        heads=HEAD,
        groups=(Group(rows=tuple(rows)),),
        moods=MOODS,
        counted="scenario",
    )
    not_run = (Text(text=line, kind="quiet") for line in not_run_lines(found))
    return Section(anchor="scenarios", title="Scenarios", blocks=(table, *not_run))


def _mood(scenario: ScenarioConformance) -> Mood:
    if not scenario.was_run:
        return Mood.PLAIN
    return Mood.GOOD if scenario.passed else Mood.BAD
