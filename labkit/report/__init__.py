"""Reports: results and flow tables as a table, Markdown, JSON, JUnit or HTML. Pure.

Each format is imported when it is asked for: a run prints one of them, and the others cost time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Literal

from labkit.errors import UsageError

if TYPE_CHECKING:  # every command asks which formats there are: 50 ms for these would be too much
    from labkit.cluster.model import Cluster
    from labkit.manifest.kinds import Target
    from labkit.probe.compare import Comparison
    from labkit.probe.conformance import Conformance
    from labkit.probe.expected import Explanation
    from labkit.probe.findings import Findings
    from labkit.probe.table import FlowRow, FlowTable
    from labkit.probe.verdict import CheckResult, ScenarioResult
    from labkit.report.evidence import Evidence

Format = Literal["table", "markdown", "json", "junit", "html"]
FORMATS: Final[tuple[Format, ...]] = ("table", "markdown", "json", "junit", "html")
DIFF_FORMATS: Final[tuple[Format, ...]] = ("table", "markdown", "json", "html")
"""Formats of the report of `labkit diff`."""
FUZZ_FORMATS: Final[tuple[Format, ...]] = ("table", "markdown", "json", "html")
"""Formats of the reports of `labkit fuzz` and `labkit conformance`."""


def render_results(
    results: Sequence[ScenarioResult],
    fmt: Format | str,
    *,
    evidence: Sequence[Evidence | None] = (),
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Return the report of a run, with a line end at its end.

    Args:
        results: one for each scenario and data plane.
        fmt: one of `FORMATS`.
        evidence: what HTML shows of each lab, in the order of the results; empty for nothing.
        color: ANSI colours, in a table.
        unicode: False for a table in ASCII, where the terminal can encode nothing else.

    Raises:
        UsageError: there is no such format.
    """
    match fmt:
        case "table":
            from labkit.report.table import Paper, results_text

            return results_text(results, Paper(color=color, unicode=unicode))
        case "markdown":
            from labkit.report.markdown import results_markdown as render
        case "json":
            from labkit.report.jsonreport import results_json as render
        case "junit":
            from labkit.report.junit import results_junit as render
        case "html":
            from labkit.report.html import results_html

            return results_html(results, evidence)
        case _:
            raise _no_format(fmt)
    return render(results)


def render_tables(
    tables: Sequence[FlowTable],
    fmt: Format | str,
    *,
    evidence: Sequence[Evidence | None] = (),
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Return the report of flow tables, with a line end at its end.

    JSON of one table is the table; of several, an array of them. The arguments and errors are those
    of `render_results`.
    """
    pieces = tables_in_pieces(tables, fmt, evidence=evidence, color=color, unicode=unicode)
    return "".join(pieces)


def tables_in_pieces(
    tables: Sequence[FlowTable],
    fmt: Format | str,
    *,
    evidence: Sequence[Evidence | None] = (),
    color: bool = False,
    unicode: bool = True,
) -> Iterable[str]:
    """Return the same piece by piece: that of a large table need not be in memory at once.

    JUnit and HTML are one piece.
    """
    match fmt:
        case "table":
            from labkit.report.table import Paper, tables_text

            return tables_text(tables, Paper(color=color, unicode=unicode))
        case "markdown":
            from labkit.report.markdown import tables_markdown

            return tables_markdown(tables)
        case "json":
            from labkit.report.jsonreport import tables_json

            return tables_json(tables)
        case "junit":
            from labkit.report.junit import tables_junit

            return [tables_junit(tables)]
        case "html":
            from labkit.report.html import tables_html

            return [tables_html(tables, evidence)]
        case _:
            raise _no_format(fmt)


def render_comparisons(
    comparisons: Sequence[Comparison],
    fmt: Format | str,
    *,
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Return the report of what differs between data planes, with a line end at its end.

    There is no JUnit of it. The arguments and errors are those of `render_results`.
    """
    match fmt:
        case "table":
            from labkit.report.diff_table import diff_text
            from labkit.report.table import Paper

            return diff_text(comparisons, Paper(color=color, unicode=unicode))
        case "markdown":
            from labkit.report.diff_markdown import diff_markdown as render
        case "json":
            from labkit.report.diff_json import diff_json as render
        case "html":
            from labkit.report.diff_html import diff_html as render
        case _:
            raise _no_format(fmt, DIFF_FORMATS)
    return render(comparisons)


def render_explanations(
    found: Sequence[Explanation], fmt: Format | str, *, color: bool = False, unicode: bool = True
) -> str:
    """Return what the specification says of a flow, under one data plane or several.

    The arguments and errors are those of `render_results`; there is a table and JSON of it.
    """
    from labkit.report.explanation import explanations_json, explanations_text
    from labkit.report.table import Paper

    match fmt:
        case "table":
            return explanations_text(found, Paper(color=color, unicode=unicode))
        case "json":
            return explanations_json(found)
        case _:
            raise _no_format(fmt, ("table", "json"))


def render_flow(row: FlowRow, to: Target, *, color: bool = False, unicode: bool = True) -> str:
    """Return the verdict on one flow, for people; the arguments are those of `render_results`."""
    from labkit.report.one_flow import flow_text
    from labkit.report.table import Paper

    return flow_text(row, to, Paper(color=color, unicode=unicode))


def render_inventory(
    cluster: Cluster, what: str, *, color: bool = False, unicode: bool = True
) -> str:
    """Return a table of what there is of something, one of `labkit.report.inventory.TABLES`.

    The other arguments and the errors are those of `render_results`.
    """
    from labkit.report.inventory import inventory_text
    from labkit.report.table import Paper

    return inventory_text(cluster, what, Paper(color=color, unicode=unicode))


def render_findings(
    found: Sequence[Findings],
    fmt: Format | str,
    *,
    again: str = "",
    color: bool = False,
    unicode: bool = True,
) -> str:
    """Return what random clusters have shown, under one data plane or several.

    ``again`` says where the first failure's scenario is, and how to see it again. The other
    arguments and errors are those of `render_results`.
    """
    from labkit.report.findings import findings_json, findings_markdown, findings_text
    from labkit.report.table import Paper

    match fmt:
        case "table":
            return findings_text(found, Paper(color=color, unicode=unicode), again=again)
        case "markdown":
            return findings_markdown(found)
        case "json":
            return findings_json(found)
        case "html":
            from labkit.report.findings_html import findings_html

            return findings_html(found, again=again)
        case _:
            raise _no_format(fmt, FUZZ_FORMATS)


def render_conformance(
    found: Conformance, fmt: Format | str, *, color: bool = False, unicode: bool = True
) -> str:
    """Return how far a data plane conforms.

    The arguments and errors are those of `render_results`.
    """
    from labkit.report.conformance import (
        conformance_json,
        conformance_markdown,
        conformance_text,
    )
    from labkit.report.table import Paper

    match fmt:
        case "table":
            return conformance_text(found, Paper(color=color, unicode=unicode))
        case "markdown":
            return conformance_markdown(found)
        case "json":
            return conformance_json(found)
        case "html":
            from labkit.report.conformance_html import conformance_html

            return conformance_html(found)
        case _:
            raise _no_format(fmt, FUZZ_FORMATS)


def render_check(check: CheckResult, *, color: bool = False, unicode: bool = True) -> str:
    """Return one Check's row and, if it failed, what was expected and seen, and where it stands."""
    from labkit.report.table import Paper, check_text

    return check_text(check, Paper(color=color, unicode=unicode))


def _no_format(name: str, formats: Sequence[Format] = FORMATS) -> UsageError:
    return UsageError(f"{name!r} is no format of this report; there are: {', '.join(formats)}")
