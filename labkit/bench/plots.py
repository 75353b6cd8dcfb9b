"""What a picture of a benchmark shows: its panels, lines and points. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.bench.figures import Spread, spread
from labkit.bench.results import Measurement, Report

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
    wanted = metrics or HEADLINES.get(report.bench, ())
    kernels = {run.machine.kernel for run in report.runs}
    found: list[Panel] = []
    for run in report.runs:
        kernel = run.machine.kernel
        where = f", Linux {kernel.release} ({kernel.kind})" if len(kernels) > 1 else ""
        by_metric: dict[str, list[Measurement]] = {}
        for each in run.measurements:
            by_metric.setdefault(each.metric, []).append(each)
        found += [
            Panel(
                title=f"{metric}{where}",
                unit=measured[0].unit,
                sizes=report.sizes,
                lines=_lines(measured),
            )
            for metric, measured in by_metric.items()
            if not wanted or metric.startswith(tuple(wanted))
        ]
    return found


def _lines(measured: Sequence[Measurement]) -> tuple[Line, ...]:
    measures = {each.beside for each in measured}
    points: dict[str, dict[int, Spread]] = {}
    labels: dict[str, str] = {}
    for each in measured:
        labels[each.contestant] = each.label
        points.setdefault(each.contestant, {}).setdefault(each.size, spread(each.values))
    return tuple(
        Line(
            contestant=name,
            label=labels[name].replace("`", ""),
            points=tuple(Point(size, found) for size, found in sorted(sizes.items())),
            is_measure=name in measures,
        )
        for name, sizes in points.items()
    )
