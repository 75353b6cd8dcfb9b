"""Medians, spreads and ratios, and how they are written. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.bench.results import Measurement

UNITS: Final[Mapping[str, Sequence[tuple[float, str]]]] = {
    "s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "bytes": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")),
    "a second": ((1, "a second"),),
    "each": ((1, ""),),
}
"""Scales of each unit, the largest first, with what they are called."""
SCALED: Final = frozenset({"s", "bytes"})
"""Those that an axis names at each tick, as they change along it."""
DIGITS: Final = 3
"""Significant ones: rounds differ by more than the fourth."""
LARGE: Final = 1000
LABEL: Final = 1 / 8
"""Of an axis: how far apart sizes must be to be written side by side."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some rounds, the fastest of them and the slowest."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Return median, lowest and highest of values, of which there is one at least."""
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the values, 0 to 1, do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def ratio(own: Sequence[float], beside: Sequence[float]) -> float | None:
    """Return the median of the rounds' ratios, or None if there is none.

    A round's turns are next to each other in time: what else the machine does slows both alike. A
    contestant that was given up has fewer rounds; those that both have count.
    """
    found = [a / b for a, b in zip(own, beside, strict=False) if b]
    return statistics.median(found) if found else None


def ratios(measurements: Sequence[Measurement]) -> list[float | None]:
    """Return each measurement's ratio to that of its measure."""
    by_key = {(m.contestant, m.metric, m.size, m.setting): m.values for m in measurements}
    return [
        ratio(m.values, by_key.get((m.beside, m.metric, m.size, m.setting), ()))
        if m.beside
        else None
        for m in measurements
    ]


def scale(value: float, unit: str) -> tuple[float, str]:
    """Return what to divide a value by to write it in few digits, and what that is called."""
    scales = UNITS.get(unit, ((1, unit),))
    return next((each for each in scales if abs(value) >= each[0] * (1 - 1e-9)), scales[-1])


def number(value: float) -> str:
    """Return a number with three significant digits, and thousands apart."""
    if value == 0:
        return "0"
    decimals = DIGITS - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    decimals = DIGITS - 1 - math.floor(math.log10(abs(rounded)))
    return f"{rounded:,.{max(decimals, 0)}f}"


def amount(value: float, unit: str) -> str:
    """Return a value with its unit: ``146 ms``."""
    factor, name = scale(value, unit)
    return f"{number(value / factor)} {name}".rstrip()


def tick(value: float, unit: str) -> str:
    """Return a round value with its unit, as an axis shows it: ``10 ms``; of a rate without."""
    factor, name = scale(value, unit)
    return f"{value / factor:,.6g} {name if unit in SCALED else ''}".rstrip()


def amounts(found: Spread, unit: str) -> tuple[str, str]:
    """Return a median with its unit, and the spread in the same: ``146 ms``, ``133-170``."""
    factor, _ = scale(found.median, unit)
    dash = " to " if found.low < 0 else "-"
    ends = f"{number(found.low / factor)}{dash}{number(found.high / factor)}"
    return amount(found.median, unit), ends


def times(value: float | None) -> str:
    """Return a ratio as tables show it; nothing for None."""
    return "" if value is None else number(value)


def readable(sizes: Sequence[int]) -> frozenset[int]:
    """Which of some sizes can be written along a logarithmic axis; the largest always.

    Of two that are nearer to each other than an eighth of the axis the larger one stays.
    """
    ordered = sorted(set(sizes), reverse=True)
    if len(ordered) <= 1:
        return frozenset(ordered)
    apart = math.log(ordered[0] / ordered[-1]) * LABEL
    kept = ordered[:1]
    for size in ordered[1:]:
        if math.log(kept[-1] / size) >= apart:
            kept.append(size)
    return frozenset(kept)
