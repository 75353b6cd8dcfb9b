"""How wide text is, without a font: what pictures need to know before anybody draws them. Pure."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator
from typing import Final

ELLIPSIS: Final = "…"
_WIDE: Final = frozenset("WF")
_EM_PERCENT: Final = 62
"""Width of a character in percent of the font's size.

Monospaced fonts have 60 (Menlo, DejaVu Sans Mono, Liberation Mono) or less; sans-serif ones less on
average, but for bold.
"""


def cells(text: str) -> int:
    """Return the width of ``text`` in characters; those of East Asia are two wide (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(each) in _WIDE else 1 for each in text)


def width_px(text: str, size_px: int) -> int:
    """Return the width that ``text`` needs at most, rounded up."""
    return -(-cells(text) * size_px * _EM_PERCENT // 100)


def room_for(width: int, size_px: int) -> int:
    """Return how many characters fit into ``width`` pixels."""
    return max(width * 100 // (size_px * _EM_PERCENT), 1)


def fitted(text: str, room: int) -> str:
    """Return ``text`` in ``room`` characters, cut in the middle: names differ at their ends."""
    if cells(text) <= room:
        return text
    head = _start_of(text, (room - 1) // 2)
    tail = _start_of(text[::-1], room - 1 - cells(head))[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def _start_of(text: str, room: int) -> str:
    for end in range(len(text), 0, -1):
        if cells(text[:end]) <= room:
            return text[:end]
    return ""


def folded(text: str, room: int) -> list[str]:
    """Return ``text`` on lines of ``room`` characters, broken between words alone."""
    return textwrap.wrap(
        text, room, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def wrapped(text: str, room: int, lines: int) -> Iterator[str]:
    """Yield ``text`` on at most ``lines`` lines; what does not fit is shortened."""
    found = folded(text, room)
    if len(found) > lines:
        # The end is kept: it says how much there is more.
        rest = " ".join(line.strip() for line in found[lines - 1 :])
        found = [*found[: lines - 1], f"  {rest}" if lines > 1 else rest]
    for line in found:
        yield fitted(line, room)
