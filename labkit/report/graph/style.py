"""Colours of the SVG picture, light and dark, as its style sheet. Pure.

Each class has its colours by value: variables of CSS are unknown to programs that are no browser.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from labkit.report.graph.topology import State


class Colours(NamedTuple):
    """A property and its value on a light and on a dark ground."""

    what: str
    light: str
    dark: str


HUES: Final = 8
"""Services have these colours in turn; their numbers tell them apart."""
_CHIPS: Final = (
    ("#1d4ed8", "#93b4fd"),
    ("#b45309", "#f5b560"),
    ("#7e22ce", "#d0a5fb"),
    ("#0f766e", "#5fd4c6"),
    ("#be185d", "#f694c0"),
    ("#4d7c0f", "#b0d95c"),
    ("#0e7490", "#67d3ee"),
    ("#57534e", "#c4bdb6"),
)
_COLOURS: Final[Mapping[str, tuple[Colours, ...]]] = {
    "paper": (Colours("fill", "#ffffff", "#14171a"),),
    "ink": (Colours("fill", "#1c2024", "#e6e8eb"),),
    "quiet": (Colours("fill", "#565e69", "#a9b0ba"),),
    "warning": (Colours("fill", "#b45309", "#f5b560"),),
    "host": (Colours("fill", "#ffffff", "#1b1f24"), Colours("stroke", "#8c95a1", "#6b7480")),
    "router": (Colours("fill", "#eef2f7", "#232a32"), Colours("stroke", "#64748b", "#8594a8")),
    "node": (Colours("fill", "#f6f8fa", "#1b1f24"), Colours("stroke", "#8c95a1", "#6b7480")),
    "pod": (Colours("fill", "#ffffff", "#262c33"), Colours("stroke", "#c5cbd3", "#4a535e")),
    "card": (Colours("fill", "#ffffff", "#1b1f24"), Colours("stroke", "#c5cbd3", "#3b434d")),
    "lan": (Colours("fill", "#dbe7f5", "#233a55"), Colours("stroke", "#7d9cc0", "#56789f")),
    "wire": (Colours("stroke", "#7d9cc0", "#56789f"),),
    "bridge": (Colours("fill", "#e3efe6", "#203a2a"), Colours("stroke", "#86ad92", "#4f7d5f")),
    "veth": (Colours("stroke", "#86ad92", "#4f7d5f"),),
    "good": (Colours("fill", "#15803d", "#4ade80"), Colours("stroke", "#15803d", "#4ade80")),
    "half": (Colours("fill", "#ffffff", "#262c33"), Colours("stroke", "#b45309", "#f5b560")),
    "gone": (Colours("fill", "#ffffff", "#262c33"), Colours("stroke", "#565e69", "#a9b0ba")),
    "on": (Colours("fill", "#ffffff", "#14171a"),),
}
MARKS: Final[Mapping[State, str]] = {
    State.READY: "good",
    State.PARTLY: "half",
    State.SERVING: "half",
    State.MIXED: "half",
    State.NOT_READY: "half",
    State.TERMINATING: "gone",
}
"""The class of each state's mark."""
_FIXED: Final = """\
.topology text { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: 11px; stroke: none; }
.topology .words { font-family: system-ui, "DejaVu Sans", "Segoe UI", sans-serif; }
.topology .title { font-size: 22px; font-weight: 600; }
.topology .heading { font-size: 15px; font-weight: 600; }
.topology .name { font-size: 13px; font-weight: 600; }
.topology .setting { font-size: 13px; }
.topology .strong { font-weight: 700; }
.topology .number { font-size: 11px; font-weight: 700; text-anchor: middle; }
.topology .end { text-anchor: end; }
.topology line { stroke-width: 2; stroke-linecap: round; }
.topology .bus { stroke-width: 4; }
.topology .late { stroke-dasharray: 3 2; }
"""


def style_sheet(services: Iterable[int]) -> str:
    """Return the style sheet of a picture that has cards of the Services with these numbers."""
    colours = dict(_COLOURS)
    for place, (light, dark) in enumerate(_CHIPS):
        colours[f"hue-{place} rect"] = (
            Colours("fill", light, dark),
            Colours("stroke", light, dark),
        )
        colours[f"hue-{place} .number"] = (Colours("fill", "#ffffff", "#14171a"),)
        colours[f"hue-{place}.hollow rect"] = (Colours("fill", "#ffffff", "#262c33"),)
        colours[f"hue-{place}.hollow .number"] = (Colours("fill", light, dark),)
    by_day = [_rule(name, [(each.what, each.light) for each in of]) for name, of in colours.items()]
    by_night = [
        _rule(name, [(each.what, each.dark) for each in of]) for name, of in colours.items()
    ]
    pointed = [
        f".topology:has(.card-{number}:hover) .spot:not(.to-{number}) {{ opacity: .2; }}"
        for number in services
    ]
    by_night = ["@media (prefers-color-scheme: dark) {", *by_night, "}"]
    return "\n".join(["", _FIXED.rstrip("\n"), *by_day, *by_night, *pointed, ""])


def hue(number: int) -> str:
    """Return the class of the colour of the Service with this number."""
    return f"hue-{(number - 1) % HUES}"


def _rule(name: str, properties: Iterable[tuple[str, str]]) -> str:
    return f".topology .{name} {{ {' '.join(f'{what}: {value};' for what, value in properties)} }}"
