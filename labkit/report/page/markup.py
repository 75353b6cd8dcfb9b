"""HTML by construction: text becomes markup here and nowhere else. Pure.

Source: HTML Living Standard, 13.1.2 "Elements" and 13.3 "Serializing HTML fragments": text needs
``&``, ``<`` and ``>`` escaped, attributes the quotes too; a void element has no end tag.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Final

from labkit.report.text import clean, clean_lines

VOID: Final = frozenset({"br", "meta"})


class Markup(str):
    """HTML that is escaped already. Any other text is escaped when it comes into an element."""

    __slots__ = ()


def tag(name: str, /, *children: str | Markup, **attributes: str | bool) -> Markup:
    """Return an element.

    Args:
        name: the tag's.
        *children: text, and markup.
        **attributes: ``class_`` is ``class`` and ``aria_label`` is ``aria-label``; an empty text
            and False leave the attribute out, True gives one without a value.
    """
    start = f"<{name}{''.join(map(_attribute, attributes, attributes.values()))}>"
    if name in VOID:
        return Markup(start)
    return Markup(f"{start}{joined(children)}</{name}>")


def joined(parts: Iterable[str | Markup], between: str = "") -> Markup:
    """Return text and markup one after the other."""
    return Markup(between.join(map(escaped, parts)))


def escaped(text: str | Markup) -> Markup:
    """Return ``text`` so that a page shows it as it is, on one line."""
    return text if isinstance(text, Markup) else Markup(html.escape(clean(text), quote=True))


def escaped_lines(text: str) -> Markup:
    """Return ``text`` so that a page shows it as it is, with its line ends."""
    return Markup(html.escape(clean_lines(text), quote=True))


def _attribute(name: str, value: str | bool) -> str:  # noqa: FBT001 - HTML's own, with no value
    shown = name.rstrip("_").replace("_", "-")
    if value is True:
        return f" {shown}"
    return f' {shown}="{html.escape(clean(value), quote=True)}"' if value else ""
