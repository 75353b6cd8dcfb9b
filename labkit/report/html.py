"""Reports as one HTML page that needs nothing else: no script, no font, no image. Pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from labkit.probe.table import FlowTable
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.cells import Style, check_cells, groups, headings, health_check_words
from labkit.report.text import (
    UNICODE,
    clean,
    clean_lines,
    first_line,
    setting_lines,
    table_summary,
    totals,
)

STYLE: Final = Style(marks=UNICODE)
CHECK_HEADINGS: Final = ("", "check", "from and to", "outcome", "answered by", "client source")
CSS: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --quiet: #6b7280; --line: #e2e5e9;
  --paper: #fff; --good: #15803d; --bad: #b91c1c; --tint: #fef2f2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --quiet: #9aa1ab; --line: #2e343b;
  --paper: #14171a; --good: #4ade80; --bad: #f87171; --tint: #2a1818; } }
body { margin: 2rem auto; max-width: 80rem; padding: 0 1rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h2 { margin: 2.5rem 0 0; font-size: 1.2rem; } h3 { margin: 1.2rem 0 .3rem; font-size: 1rem; }
p { margin: .2rem 0; } .setting, th { color: var(--quiet); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem 1.2rem .25rem 0; text-align: left; vertical-align: top; }
th { font-weight: normal; } td { border-top: 1px solid var(--line); }
tr.failed td { background: var(--tint); }
.passed .mark, .connected { color: var(--good); } .failed .mark, .why, pre { color: var(--bad); }
.facts { white-space: nowrap; }
.summary { margin-top: 1.5rem; font-weight: 600; }
"""


def results_html(results: Sequence[ScenarioResult]) -> str:
    """Return the report of `labkit run`."""
    lines = [line for result in results for line in _scenario(result)]
    return page([*lines, f'<p class="summary">{escape(totals(results))}</p>'])


def tables_html(tables: Sequence[FlowTable]) -> str:
    """Return the report of `labkit matrix`."""
    lines: list[str] = []
    for table in tables:
        lines += [f"<h2>{escape(table.scenario)}</h2>", *_setting(table)]
        lines += _flows(table)
    return page(lines)


def _setting(result: ScenarioResult | FlowTable) -> Iterator[str]:
    return (f'<p class="setting">{escape(line)}</p>' for line in setting_lines(result))


def escape(text: str) -> str:
    """Return ``text`` so that a page shows it as it is, in an attribute or elsewhere."""
    return html.escape(clean(text), quote=True)


def page(lines: Iterable[str]) -> str:
    """Return a whole page around the lines of its body."""
    head = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>labkit</title>\n<style>{CSS}</style>\n</head>\n<body>\n<h1>labkit</h1>"
    )
    return "\n".join([head, *lines, "</body>", "</html>", ""])


def _scenario(result: ScenarioResult) -> Iterator[str]:
    word = "passed" if result.passed else "failed"
    mark = STYLE.marks.passed if result.passed else STYLE.marks.failed
    yield f'<h2 class="{word}"><span class="mark">{mark}</span> {escape(result.scenario)}</h2>'
    shows = first_line(result.description)
    if shows:
        yield f"<p>{escape(shows)}</p>"
    yield from _setting(result)
    if result.error is not None:
        yield f"<p>{escape(result.path)}:</p>"
        yield f"<pre>{html.escape(clean_lines(result.error))}</pre>"
    if result.checks:
        yield from wide_table(
            CHECK_HEADINGS, [row for each in result.checks for row in _rows(each)]
        )
    if result.table is not None:
        yield from _flows(result.table)


def _rows(check: CheckResult) -> Iterator[str]:
    word = "passed" if check.passed else "failed"
    mark = STYLE.marks.passed if check.passed else STYLE.marks.failed
    name = escape(check.name) + _why(check)
    for cells in check_cells(check, STYLE):
        yield (
            f'<tr class="{word}"><td class="mark">{mark}</td><td>{name}</td>'
            f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        )
        mark = name = ""


def _why(check: CheckResult) -> str:
    lines = list(check.differences)
    if lines and check.location is not None:
        lines.append(f"{check.location.file}:{check.location.line}")
    return "".join(f'<br><span class="why">{escape(line)}</span>' for line in lines)


def _flows(table: FlowTable) -> Iterator[str]:
    for group in groups(table, STYLE):
        yield f"<h3>{escape(group.title)}</h3>"
        yield from wide_table(headings(table), [_flow_row(cells) for cells in group.rows])
    yield from (f"<p>{escape(sentence)}</p>" for sentence in health_check_words(table))
    yield f'<p class="summary">{escape(table_summary(table))}</p>'


def _flow_row(cells: Sequence[str]) -> str:
    return f"<tr>{''.join(_flow_cell(cell) for cell in cells)}</tr>"


def _flow_cell(text: str) -> str:
    kind = ' class="connected"' if text == "connected" else ""
    return f"<td{kind}>{escape(text)}</td>"


def wide_table(heads: Sequence[str], rows: Iterable[str]) -> Iterator[str]:
    """Yield a table that scrolls by itself; the rows are HTML."""
    cells = "".join(f"<th>{escape(head)}</th>" for head in heads)
    yield f'<div class="wide"><table>\n<thead><tr>{cells}</tr></thead>\n<tbody>'
    yield from rows
    yield "</tbody></table></div>"
