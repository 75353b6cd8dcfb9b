"""What a picture of a benchmark shows: its panels, lines and points. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.bench.figures import Spread, spread
from labkit.bench.results import Measurement, Report
from labkit.report.text import kernel_words, plural

HEADLINES: Final[Mapping[str, Sequence[str]]] = {
    "lab": ("set-up", "memory of processes a pod (PSS)"),
    "probe": ("probes, ",),
    "sync": ("install", "a Service added", "connect, last Service"),
}
"""How the metrics begin that a picture shows, where it is not told; of the others all are shown."""


@dataclass(frozen=True, slots=True)
class Point:
    """One size and what was measured there."""

    size: int
    found: Spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A contestant over all its sizes."""

    contestant: str
    label: str
    points: tuple[Point, ...]
    colour: int | None
    """The same number for the same contestant everywhere; None for the measure of several."""
    is_measure: bool
    """Whether others are held against it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One metric: lines if it was measured at several sizes, else a dot for each contestant."""

    title: str
    unit: str
    sizes: str
    lines: tuple[Line, ...]

    @property
    def has_growth(self) -> bool:
        """Whether there is more than one size to draw a line over."""
        return len({point.size for line in self.lines for point in line.points}) > 1


def panels(report: Report, *, metrics: Sequence[str] = ()) -> list[Panel]:
    """Return what a picture of a report shows.

    Where a size was measured under several settings, the first of them counts: the fewest nodes.

    Args:
        report: what was found.
        metrics: what to show; empty for `HEADLINES`.
    """
    wanted = tuple(metrics or HEADLINES.get(report.bench, ()))
    kernels = {run.machine.kernel for run in report.runs}
    found: list[Panel] = []
    for run in report.runs:
        where = f", {kernel_words(run.machine.kernel)}" if len(kernels) > 1 else ""
        cast = _cast(run.measurements)
        by_metric: dict[str, list[Measurement]] = {}
        for each in run.measurements:
            by_metric.setdefault(each.metric, []).append(each)
        found += [
            Panel(
                title=f"{metric}{where}",
                unit=measured[0].unit,
                sizes=report.sizes,
                lines=_lines(measured, cast),
            )
            for metric, measured in by_metric.items()
            if not wanted or metric.startswith(wanted)
        ]
    return [panel for panel in found if panel.lines]


def footnote(report: Report) -> str:
    """Return what a picture must say of how it was measured."""
    machines = "; ".join(
        f"{plural(run.machine.cores, 'core')}, {kernel_words(run.machine.kernel)}"
        for run in report.runs
    )
    rounds = plural(report.rounds, "round")
    return f"labkit bench {report.bench}: median of {rounds}, fastest to slowest; {machines}"


@dataclass(frozen=True, slots=True)
class _Role:
    colour: int | None
    is_measure: bool


def _cast(measured: Sequence[Measurement]) -> Mapping[str, _Role]:
    """Each contestant's colour. The measure of one other has that one's, of several none."""
    held: dict[str, set[str]] = {}
    for each in measured:
        if each.beside and each.beside != each.contestant:
            held.setdefault(each.beside, set()).add(each.contestant)
    playing = dict.fromkeys(each.contestant for each in measured if each.contestant not in held)
    colours = {name: number for number, name in enumerate(playing)}
    measures = {
        name: _Role(colours.get(next(iter(others))) if len(others) == 1 else None, is_measure=True)
        for name, others in held.items()
    }
    return {name: _Role(number, is_measure=False) for name, number in colours.items()} | measures


def _lines(measured: Sequence[Measurement], cast: Mapping[str, _Role]) -> tuple[Line, ...]:
    """Lines and their points; what is zero or less has no place on a logarithmic axis."""
    points: dict[str, dict[int, Spread]] = {}
    labels: dict[str, str] = {}
    for each in measured:
        labels[each.contestant] = each.label
        points.setdefault(each.contestant, {}).setdefault(each.size, spread(each.values))
    drawable = {
        name: tuple(Point(size, each) for size, each in sorted(sizes.items()) if each.median > 0)
        for name, sizes in points.items()
    }
    return tuple(
        Line(
            contestant=name,
            label=labels[name].replace("`", ""),
            points=its_points,
            colour=cast[name].colour,
            is_measure=cast[name].is_measure,
        )
        for name, its_points in drawable.items()
        if its_points
    )
