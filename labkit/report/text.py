"""Small pieces of text that every report is made of. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.probe.flow import Outcome
from labkit.probe.table import FlowTable, Kernel
from labkit.probe.verdict import ScenarioResult

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_SPACE: Final = re.compile("[\t\n\v\f\r\x85\u2028\u2029]")
_UNSAFE: Final = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\ud800-\\udfff\\ufdd0-\\ufdef\\ufffe\\uffff"
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The signs of a report; ASCII ones for a terminal or file that cannot encode the others."""

    passed: str = "✔"
    failed: str = "✘"
    times: str = "×"
    arrow: str = "→"
    more: str = "…"


UNICODE: Final = Marks()
ASCII: Final = Marks(passed="ok", failed="FAIL", times="x", arrow="->", more="...")


def clean(text: str) -> str:
    """Return ``text`` without what could steer a terminal or break a format, on one line.

    White space becomes a space. Control characters, lone surrogates, direction marks and what XML
    1.0 refuses become U+FFFD.
    """
    return _UNSAFE.sub(REPLACEMENT, _SPACE.sub(" ", text))


def clean_lines(text: str) -> str:
    """Return ``text`` cleaned as by `clean`, with its line ends and tabs kept."""
    return "\n".join("\t".join(map(clean, line.split("\t"))) for line in text.split("\n"))


def kernel_words(kernel: Kernel) -> str:
    """Return ``Linux 6.18.0``, with the kind of a guest."""
    guest = "" if kernel.kind == "host" else f" ({kernel.kind})"
    return f"Linux {clean(kernel.release)}{guest}"


def setting_words(result: ScenarioResult | FlowTable) -> str:
    """Return where it was run: ``iptables on Linux 6.18.0, rules: labkit's renderer``."""
    rules = f", rules: {clean(result.rules)}" if result.rules else ""
    return f"{clean(result.dataplane)} on {kernel_words(result.kernel)}{rules}"


def setting_lines(result: ScenarioResult | FlowTable) -> tuple[str, ...]:
    """Return the same, and a line for each address that the lab had to change."""
    return (setting_words(result), *(f"mapped: {clean(each)}" for each in result.mapped))


def first_line(text: str) -> str:
    """Return the first line of ``text`` that is not blank."""
    return next((clean(line) for line in map(str.strip, text.splitlines()) if line), "")


def outcome_words(outcomes: Mapping[Outcome, int], marks: Marks) -> str:
    """Return the outcome, or each with its count where attempts differ."""
    if len(outcomes) == 1:
        return "".join(outcomes)
    return ", ".join(f"{outcome} {marks.times}{count}" for outcome, count in outcomes.items())


def counted(counts: Mapping[str, int], marks: Marks, limit: int | None = None) -> str:
    """Return ``web-1 ×12, web-2 ×8``; beyond ``limit`` names, how many more there are."""
    parts = [f"{clean(name)} {marks.times}{count}" for name, count in counts.items()]
    return ", ".join(shortened(parts, marks, limit))


def shortened(parts: Sequence[str], marks: Marks, limit: int | None = None) -> list[str]:
    """Return ``parts``, or the first ``limit`` of them and how many are left out."""
    # One left out would take as much room as the word that says so.
    if limit is None or len(parts) <= limit + 1:
        return list(parts)
    return [*parts[:limit], f"{marks.more} {len(parts) - limit} more"]


def plural(count: int, word: str) -> str:
    """Return ``1 check`` or ``2 checks``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def table_summary(table: FlowTable) -> str:
    """Return ``31 flows: 27 connected, 4 timeout``, outcomes in their usual order."""
    counts = Counter(row.outcome for row in table.flows)
    parts = [f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome]]
    differ = sum(row.agrees is False for row in table.flows)
    if differ:
        parts.append(f"{differ} not as specified")
    flows = plural(len(table.flows), "flow")
    return f"{flows}: {', '.join(parts)}" if parts else flows


def totals(results: Iterable[ScenarioResult]) -> str:
    """Return ``17 scenarios, 41 checks: 40 passed, 1 failed``."""
    seen = list(results)
    checks = [check.passed for result in seen for check in result.checks]
    rows = [row for result in seen if result.table for row in result.table.flows]
    what = [plural(len(seen), "scenario")]
    if checks or not rows:
        what.append(plural(len(checks), "check"))
    if rows:
        what.append(plural(len(rows), "flow"))
    ends = [f"{sum(checks)} passed"] if checks else []
    for count, word in (
        (len(checks) - sum(checks), "failed"),
        (sum(row.agrees is False for row in rows), "not as specified"),
        (sum(result.error is not None for result in seen), "could not be run"),
    ):
        if count:
            ends.append(f"{count} {word}")
    return f"{', '.join(what)}: {', '.join(ends)}" if ends else ", ".join(what)
