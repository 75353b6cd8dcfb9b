"""Draws panels with matplotlib: log-log axes, names at the lines, the same bytes for the same data.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can
tell apart; what others are held against is dashed.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from labkit.bench.figures import SCALED, amount, readable, tick
from labkit.bench.plots import Line, Panel
from labkit.errors import MissingFeature

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY: Final = "#6b6b6b"
FAINT: Final = "#e3e3e3"
PANEL_INCHES: Final = (6.4, 4.2)
ROW_INCHES: Final = 0.42
LABEL_GAP: Final = 0.062
"""What names at the right need between them, as a share of the panel's height."""
FEW_DECADES: Final = 50
"""An axis that spans less than this factor has a number at 2 and 5, too."""
STYLE: Final[Any] = {
    "svg.hashsalt": "labkit",
    "svg.fonttype": "path",
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "axes.labelcolor": GREY,
}


def check_matplotlib() -> None:
    """Find out before anything is measured.

    Raises:
        MissingFeature: it is not installed.
    """
    try:
        import matplotlib  # noqa: F401 - whether it can be
    except ImportError as error:
        raise MissingFeature(
            "plots",
            found="the Python package matplotlib is missing",
            remedy="pip install labkit[plot]",
        ) from error


def drawn(panels: Sequence[Panel], notes: Sequence[str], fmt: str, *, source: str = "") -> bytes:
    """Return a picture of panels, one below the other, as ``svg`` or ``png``.

    Args:
        panels: what it shows.
        notes: lines below it.
        fmt: ``svg`` or ``png``.
        source: what an SVG says that it was made of.

    Raises:
        MissingFeature: matplotlib is not installed.
    """
    check_matplotlib()
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        heights = [_height(panel) for panel in panels]
        figure = Figure(figsize=(PANEL_INCHES[0] * 1.35, sum(heights)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
        for panel, ax in zip(panels, axes, strict=True):
            _draw(panel, ax)
        figure.supxlabel("\n".join(notes), fontsize=8, color=GREY, x=0.01, ha="left")
        return _saved(figure, fmt, source)


def _saved(figure: Figure, fmt: str, source: str) -> bytes:
    file = io.BytesIO()
    metadata: dict[str, str | None] = {"Software": "labkit"}
    if fmt == "svg":
        metadata = {"Date": None, "Creator": "labkit", "Source": source or None}
    figure.savefig(file, format=fmt, dpi=150, facecolor="white", metadata=metadata)
    return file.getvalue()


def _height(panel: Panel) -> float:
    if panel.has_growth:
        return PANEL_INCHES[1]
    return 1.0 + ROW_INCHES * len(panel.lines)


def _draw(panel: Panel, ax: Axes) -> None:
    ax.set_title(panel.title, loc="left")
    styled = [(line, _colour(line)) for line in panel.lines]
    if panel.has_growth:
        _draw_growth(panel, styled, ax)
    else:
        _draw_dots(panel, styled, ax)


def _colour(line: Line) -> str:
    return GREY if line.colour is None else COLOURS[line.colour % len(COLOURS)]


def _draw_growth(panel: Panel, styled: Sequence[tuple[Line, str]], ax: Axes) -> None:
    from matplotlib.ticker import (
        FixedLocator,
        FuncFormatter,
        LogLocator,
        NullFormatter,
        NullLocator,
    )

    ax.set_xscale("log")
    ax.set_yscale("log")
    for line, colour in styled:
        sizes = [point.size for point in line.points]
        medians = [point.found.median for point in line.points]
        ax.plot(
            sizes,
            medians,
            color=colour,
            linewidth=1.5 if line.is_measure else 2.4,
            linestyle="--" if line.is_measure else "-",
            marker="o",
            markersize=4,
        )
        low, high = [p.found.low for p in line.points], [p.found.high for p in line.points]
        ax.vlines(sizes, low, high, color=colour, linewidth=1, alpha=0.6)
    sizes = sorted({point.size for line in panel.lines for point in line.points})
    ax.xaxis.set_major_locator(FixedLocator(sizes))
    numbered = readable(sizes)
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda size, _: f"{size:,.0f}" if round(size) in numbered else "")
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, panel.unit)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    bottom, top = ax.get_ylim()
    if top / bottom < FEW_DECADES:
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.set_xlabel(panel.sizes)
    ax.grid(visible=True, axis="y", color=FAINT)
    ax.set_axisbelow(True)
    _name_lines(styled, ax, panel)


def _name_lines(styled: Sequence[tuple[Line, str]], ax: Axes, panel: Panel) -> None:
    """Write names where lines end, in their colour, moved apart where they would meet."""
    sizes = [point.size for line in panel.lines for point in line.points]
    bottom, top = (math.log10(end) for end in ax.get_ylim())
    ends: list[tuple[float, Line, str]] = []
    for line, colour in styled:
        last = line.points[-1]
        if last.size < max(sizes):
            _name_early_end(line, colour, ax, panel)
        else:
            place = (math.log10(last.found.median) - bottom) / (top - bottom)
            ends.append((place, line, colour))
    ends.sort(key=lambda end: end[0])
    for place, (_, line, colour) in zip(apart([end[0] for end in ends]), ends, strict=True):
        _name(line, colour, ax, panel, at=(place, "axes fraction"))


def _name_early_end(line: Line, colour: str, ax: Axes, panel: Panel) -> None:
    """Write a name at a line that others go on from, with a rim that keeps those apart."""
    from matplotlib.patheffects import withStroke

    last = line.points[-1]
    ax.annotate(
        _named(line, panel),
        xy=(last.size, last.found.median),
        xytext=(8, 0),
        textcoords="offset points",
        color=colour,
        va="center",
        path_effects=[withStroke(linewidth=3, foreground="white")],
        zorder=5,
    )


def _name(line: Line, colour: str, ax: Axes, panel: Panel, *, at: tuple[float, str]) -> None:
    """Write a name at the right, at a height in some coordinates."""
    height, coordinates = at
    ax.annotate(
        _named(line, panel),
        xy=(1.02, height),
        xycoords=("axes fraction", coordinates),
        color=colour,
        va="center",
        annotation_clip=False,
    )


def _named(line: Line, panel: Panel) -> str:
    return f"{line.label}  {amount(line.points[-1].found.median, panel.unit)}"


def apart(places: Sequence[float], gap: float = LABEL_GAP) -> list[float]:
    """Return ascending places between 0 and 1, at least ``gap`` apart, moved as little as possible.

    Names that would meet form a block around the middle of where they belong.
    """
    blocks: list[list[float]] = []
    for place in places:
        blocks.append([place])
        while len(blocks) > 1 and _top(blocks[-2], gap) + gap > _bottom(blocks[-1], gap):
            last = blocks.pop()
            blocks[-1] += last
    return [_bottom(block, gap) + number * gap for block in blocks for number in range(len(block))]


def _bottom(block: Sequence[float], gap: float) -> float:
    height = (len(block) - 1) * gap
    middle = sum(block) / len(block)
    return max(min(middle - height / 2, 1 - height), 0.0)


def _top(block: Sequence[float], gap: float) -> float:
    return _bottom(block, gap) + (len(block) - 1) * gap


def _draw_dots(panel: Panel, styled: Sequence[tuple[Line, str]], ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ax.set_xscale("log")
    for row, (line, colour) in enumerate(reversed(styled)):
        found = line.points[0].found
        ax.hlines(row, found.low, found.high, color=colour, linewidth=2, alpha=0.6)
        ax.plot([found.median], [row], "o", color=colour, markersize=8)
        _name(line, colour, ax, panel, at=(row, "data"))
    low, high = (math.log10(end) for end in ax.get_xlim())
    ax.set_xlim(10 ** math.floor(low), 10 ** math.ceil(high))  # else an axis could have no number
    ax.set_yticks([])
    ax.set_ylim(-0.6, len(styled) - 0.4)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value, panel.unit)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.grid(visible=True, axis="x", color=FAINT)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    ax.set_xlabel("" if panel.unit in SCALED else panel.unit)
