"""What stands on a page: sections and their blocks, as plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from labkit.report.page.markup import Markup


class Mood(StrEnum):
    """Whether something is as it should be; the value is its class in the style sheet."""

    GOOD = "good"
    BAD = "bad"
    PLAIN = "plain"
    """Nobody judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = ""
    """``quiet``, ``bad`` or ``total``; empty for plain text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A heading inside of a section."""

    text: str
    small: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Terms and what there is to say of each, line by line."""

    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table that is more than one line of text."""

    lines: tuple[str, ...]
    note: str = ""
    """A line that stands out less."""
    to: str = ""
    """The anchor that it leads to."""
    quiet: bool = False
    """Whether it says again what the row above said."""
    mark: Mood | None = None
    """It is the row's mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table."""

    cells: tuple[Cell | str, ...]
    mood: Mood = Mood.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that belong together, and what they have in common."""

    title: str = ""
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table whose heading stays in sight, and which can be filtered."""

    kind: str
    """Its classes in the style sheet, which holds the headings for narrow screens."""
    name: str
    """What it is, for who cannot see it."""
    heads: tuple[str, ...]
    groups: tuple[Group, ...]
    choose: tuple[int, ...] = ()
    """Columns of few different words, to choose one of."""
    grouped_by: str = ""
    """What the groups' titles are, to choose one of."""
    moods: Mapping[Mood, str] = field(default_factory=dict)
    """What the moods of its rows mean, to choose one of."""
    counted: str = "row"
    """What a row is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Text as it is: rules, logs, errors."""

    text: str
    kind: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A picture that labkit made, as markup."""

    svg: Markup
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to type, and what for."""

    line: str
    does: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """What to do next."""

    title: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Blocks that the reader opens."""

    title: str
    blocks: tuple[Block, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Something that went wrong, from what was asked to what to do next."""

    anchor: str
    title: str
    way: str
    """Who asked whom."""
    place: str
    """Where it is written."""
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of an index."""

    to: str
    text: str
    mood: Mood
    note: str = ""
    under: tuple[tuple[str, str], ...] = ()
    """Anchors and words of what stands below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Where things are on the page."""

    name: str
    entries: tuple[Entry, ...]


Block: TypeAlias = Text | Heading | Facts | Table | Code | Drawing | Commands | Fold | Story | Index


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with a heading of its own."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]
    mood: Mood | None = None
    lead: str = ""
    text: str = ""
    """What there is to say after the lead."""
    setting: tuple[str, ...] = ()
    folded: str | None = None
    """Not None for a section that the reader opens: what is said of it on its one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page."""

    title: str
    """Of the window."""
    headline: str
    mood: Mood | None
    summary: str = ""
    top: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    ending: str = ""
