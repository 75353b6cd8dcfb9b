"""Tables of what a benchmark has found, for a terminal and as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tabulate import tabulate

from labkit.bench.figures import amounts, ratios, spread, times
from labkit.bench.results import Machine, Measurement, Report, Run
from labkit.report.text import clean, kernel_words, plural

WIDE_FROM: Final = 3
"""From so many sizes on, Markdown shows how something grows: a column for each size."""
GIB: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Row:
    """A measurement, and its ratio to its measure if it has one."""

    measurement: Measurement
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Section:
    """All that was measured of one metric on one machine."""

    metric: str
    rows: tuple[Row, ...]
    measures: tuple[str, ...]
    """What ratios are to, by their names in tables."""


def sections(run: Run) -> list[Section]:
    """Return a section for each metric, rows by size."""
    rows: dict[str, list[Row]] = {}
    for measurement, ratio in zip(run.measurements, ratios(run.measurements), strict=True):
        rows.setdefault(measurement.metric, []).append(Row(measurement, ratio))
    labels = {each.contestant: each.label for each in run.measurements}
    found: list[Section] = []
    for metric, unsorted in rows.items():
        ordered = sorted(unsorted, key=lambda row: row.measurement.size)
        beside = (row.measurement.beside for row in ordered if row.ratio is not None)
        measures = tuple(labels[each] for each in dict.fromkeys(beside))
        found.append(Section(metric, tuple(ordered), measures))
    return found


def report_text(report: Report, *, metrics: Sequence[str] = ()) -> str:
    """Return the report for a terminal: a table for each metric.

    Args:
        report: what was found.
        metrics: which of them to show; empty for all.
    """
    blocks = ["\n".join(_head(report))]
    for run in report.runs:
        blocks.append("\n".join(_setting(run.machine)))
        blocks += [
            tabulate(
                _long_rows(section),
                _long_head(report, section),
                tablefmt="simple",
                disable_numparse=True,
                colalign=("right", "left", "right", "right", "right")[
                    : len(_long_head(report, section))
                ],
            )
            for section in _shown(run, metrics)
        ]
        blocks += (
            ["\n".join(f"left out: {line}" for line in _left_out(run))] if run.left_out else []
        )
    return "\n\n".join(blocks) + "\n"


def report_markdown(report: Report, *, metrics: Sequence[str] = ()) -> str:
    """Return the report as Markdown; the arguments are those of `report_text`."""
    blocks = [f"## labkit bench {report.bench}", "\n".join(_head(report))]
    for run in report.runs:
        blocks.append("\n".join(_setting(run.machine)))
        blocks += [section_markdown(report, section) for section in _shown(run, metrics)]
        blocks += (
            ["\n".join(f"- left out: {line}" for line in _left_out(run))] if run.left_out else []
        )
    return "\n\n".join(blocks) + "\n"


def section_markdown(report: Report, section: Section) -> str:
    """Return one metric's table as Markdown; with many sizes, a column for each."""
    sizes = sorted({row.measurement.size for row in section.rows})
    if len(sizes) < WIDE_FROM:
        head, rows = _long_head(report, section), _long_rows(section)
        align = ("right", "left", "right", "right", "right")[: len(head)]
    else:
        beside = _beside(section)
        head = [
            f"{section.metric} ({beside})" if beside else section.metric,
            *(f"{size:,} {report.sizes}" for size in sizes),
        ]
        rows = _wide_rows(section, sizes)
        align = ("left", *("right" for _ in sizes))
    return tabulate(rows, head, tablefmt="github", disable_numparse=True, colalign=align)


def metrics_of(report: Report) -> list[str]:
    """Return the names of all metrics, in the order of the report."""
    return list(dict.fromkeys(m.metric for run in report.runs for m in run.measurements))


def _shown(run: Run, metrics: Sequence[str]) -> Iterator[Section]:
    return (each for each in sections(run) if not metrics or each.metric in metrics)


def _head(report: Report) -> Iterator[str]:
    unfinished = "" if report.complete else ", interrupted"
    yield (
        f"labkit bench {report.bench}: {plural(report.rounds, 'round')} in turn, "
        f"seed {report.seed}, {report.date}{unfinished}"
    )


def _setting(machine: Machine) -> Iterator[str]:
    versions = ", ".join(f"{name} {clean(said)}" for name, said in machine.versions.items())
    yield (
        f"{plural(machine.cores, 'core')} of {clean(machine.processor)}, "
        f"{machine.memory_bytes / GIB:.0f} GiB, {kernel_words(machine.kernel)}, load {machine.load}"
    )
    yield versions


def _left_out(run: Run) -> Iterator[str]:
    return (f"{clean(each.contestant)}, {clean(each.why)}" for each in run.left_out)


def _long_head(report: Report, section: Section) -> list[str]:
    is_rate = section.rows[0].measurement.unit == "a second"
    ends = "slowest-fastest" if is_rate else "fastest-slowest"
    head = [report.sizes, "", section.metric, ends]
    beside = _beside(section)
    return [*head, beside] if beside else head


def _beside(section: Section) -> str:
    """What a ratio is to."""
    match section.measures:
        case ():
            return ""
        case (measure,):
            return f"× {measure}"
        case _:
            return "× its measure"


def _long_rows(section: Section) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in section.rows:
        found = row.measurement
        median, ends = amounts(spread(found.values), found.unit)
        cells = [f"{found.size:,}", _name(found), median, ends]
        rows.append([*cells, times(row.ratio)] if section.measures else cells)
    return rows


def _wide_rows(section: Section, sizes: Iterable[int]) -> list[list[str]]:
    by_name: dict[str, dict[int, str]] = {}
    for row in section.rows:
        found = row.measurement
        median, ends = amounts(spread(found.values), found.unit)
        ratio = f" ×{times(row.ratio)}" if row.ratio is not None else ""
        by_name.setdefault(_name(found), {})[found.size] = f"{median} ({ends}){ratio}"
    return [[name, *(cells.get(size, "") for size in sizes)] for name, cells in by_name.items()]


def _name(found: Measurement) -> str:
    setting = f", {clean(found.setting)}" if found.setting else ""
    return f"{clean(found.label)}{setting}"
