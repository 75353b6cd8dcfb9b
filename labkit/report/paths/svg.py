"""Paths as one SVG picture: their sequence diagrams below each other. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

from labkit.report.page.markup import Markup, tag
from labkit.report.page.style import SEQUENCE_STYLE
from labkit.report.paths.sequence import LINE, MARGIN, diagram
from labkit.report.paths.words import title
from labkit.report.text import clean
from labkit.trace.path import Path

NAMESPACE: Final = "http://www.w3.org/2000/svg"
NARROWEST: Final = 640
ROOM: Final = 86
"""Characters of a line in the narrowest picture."""


def paths_svg(paths: Sequence[Path]) -> str:
    """Return the picture: light or dark as its reader is, with everything in it."""
    parts: list[Markup] = []
    width, y = NARROWEST, MARGIN
    for number, path in enumerate(paths, start=1):
        lines = [title(path), *textwrap.wrap(path.verdict, ROOM)]
        for line in map(clean, lines):
            y += LINE
            kind = "packet" if line == clean(title(path)) else ""
            parts.append(tag("text", line, class_=kind, x=str(MARGIN), y=str(y)))
        found = diagram(path, f"path{number}")
        if found is not None:
            parts.append(tag("g", found.svg, transform=f"translate(0 {y + LINE // 2})"))
            width, y = max(width, found.width), y + found.height
        y += MARGIN
    paper = tag("rect", class_="ground", width=str(width), height=str(y))
    style = tag("style", Markup(f"{SEQUENCE_STYLE}.ground {{ fill: var(--card); }}"))
    whole = tag(
        "svg",
        style,
        paper,
        *parts,
        xmlns=NAMESPACE,
        class_="sequence",
        width=str(width),
        height=str(y),
        viewBox=f"0 0 {width} {y}",
    )
    return f"{whole.encode('ascii', 'xmlcharrefreplace').decode()}\n"
