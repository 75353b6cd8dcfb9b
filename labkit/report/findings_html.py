"""The report of `labkit fuzz` as one HTML page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.probe.findings import Failure, Findings
from labkit.probe.flow import Outcome
from labkit.report.page.model import (
    Block,
    Code,
    Facts,
    Fold,
    Group,
    Heading,
    Mood,
    Page,
    Row,
    Section,
    Story,
    Table,
    Text,
)
from labkit.report.page.render import page_html
from labkit.report.text import kernel_words, plural


def findings_html(found: Sequence[Findings], *, again: str = "") -> str:
    """Return the report; ``again`` says where the first failure is, and how to see it again."""
    passed = all(each.passed for each in found)
    return page_html(
        Page(
            title="labkit: random clusters against the specification",
            headline=_headline(found),
            mood=Mood.GOOD if passed else Mood.BAD,
            summary=again,
            sections=tuple(findings_section(each, f"d{n}") for n, each in enumerate(found, 1)),
        )
    )


def findings_section(found: Findings, anchor: str, title: str = "") -> Section:
    """Return the section of one data plane; without a title it has that one's name."""
    return Section(
        anchor=anchor,
        title=title or found.name,
        mood=Mood.GOOD if found.passed else Mood.BAD,
        blocks=(
            Facts(
                rows=(
                    ("kernel", (kernel_words(found.kernel),)),
                    ("seed", (str(found.seed),)),
                    ("time", (f"{found.elapsed_s:.1f} s",)),
                    ("clusters", (f"{found.clusters:,}",)),
                    ("flows", (_flows(found),)),
                )
            ),
            *(_story(each, f"{anchor}-f{place}") for place, each in enumerate(found.failures, 1)),
            Heading(text="What was asked"),
            _asked(found),
        ),
    )


def _headline(found: Sequence[Findings]) -> str:
    failed = sum(len(each.failures) for each in found)
    clusters = plural(sum(each.clusters for each in found), "random cluster")
    if failed:
        return f"{failed} of {clusters} not as specified"
    return f"{clusters}, all as specified"


def _flows(found: Findings) -> str:
    others = f", and {found.unjudged:,} of which the specification says nothing"
    return f"{found.flows:,}{others if found.unjudged else ''}"


def _asked(found: Findings) -> Table:
    outcomes = [each for each in Outcome if any(key[1] == each for key in found.asked)]
    vias = dict.fromkeys(via for via, _ in found.asked)
    rows = (
        Row(cells=(via, *(_count(found.asked.get((via, each), 0)) for each in outcomes)))
        for via in vias
    )
    return Table(
        kind="asked",
        name=f"Flows of random clusters, {found.name}",
        heads=("flows to", *outcomes),
        groups=(Group(rows=tuple(rows)),),
    )


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _story(failure: Failure, anchor: str) -> Story:
    first, *others = failure.flows or ("a cluster that is not as specified",)
    return Story(
        anchor=anchor,
        title=first,
        way="",
        place=f"seed {failure.seed}",
        blocks=tuple(_told(failure, others)),
    )


def _told(failure: Failure, others: Sequence[str]) -> Iterator[Block]:
    yield from (Text(text=flow) for flow in others)
    if failure.more:
        yield Text(text=f"and {failure.more} more")
    if not failure.alone:
        yield Text(text="A lab of its own does not show it.", kind="bad")
    yield _folded("The smallest cluster that shows it", failure.scenario)
    if failure.before:
        yield _folded("The cluster that the lab was before", failure.before)


def _folded(title: str, scenario: str) -> Fold:
    note = plural(len(scenario.splitlines()), "line")
    return Fold(title=title, note=note, blocks=(Code(text=scenario.rstrip("\n")),))
