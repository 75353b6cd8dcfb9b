"""A page as HTML. Pure: the same page gives the same bytes.

The page fetches nothing and runs nothing but its own script: its policy says so to the browser.

Source: Content Security Policy Level 3, 6.7.3 (hashes) and HTML Living Standard, 4.2.5.3 (meta).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from labkit.report.graph.style import style_sheet as style_of_pictures
from labkit.report.page.markup import Markup, escaped_lines, joined, tag
from labkit.report.page.model import (
    Block,
    Cell,
    Code,
    Command,
    Commands,
    Drawing,
    Entry,
    Facts,
    Fold,
    Group,
    Heading,
    Index,
    Mood,
    Page,
    Row,
    Section,
    Story,
    Table,
    Text,
)
from labkit.report.page.script import SCRIPT
from labkit.report.page.style import style_sheet
from labkit.report.text import UNICODE, plural

MARKS: Final = {Mood.GOOD: UNICODE.passed, Mood.BAD: UNICODE.failed, Mood.PLAIN: "·"}
WORDS: Final = {Mood.GOOD: "passed", Mood.BAD: "failed", Mood.PLAIN: "not judged"}
FILTERED_FROM: Final = 6
"""Rows of a table from which on it can be filtered."""
PICTURES_SERVICES: Final = 61
"""Cards that a picture has at most: each can be pointed at."""


def page_html(page: Page) -> str:
    """Return the text of a page."""
    body = joined(
        [
            tag("header", *_head(page)),
            *([tag("main", *map(_section, page.sections))] if page.sections else []),
            tag("footer", tag("p", page.ending)) if page.ending else Markup(),
            tag("script", Markup(SCRIPT)),
        ],
        "\n",
    )
    return f"<!DOCTYPE html>\n{tag('html', _meta(page), tag('body', body), lang='en')}\n"


def _meta(page: Page) -> Markup:
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    pictures = style_of_pictures(range(1, PICTURES_SERVICES + 1)) if _has_drawing(page) else ""
    heads = {table.kind.replace(" ", "."): table.heads for table in _tables(page)}
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", page.title),
        tag("style", Markup(style_sheet(sorted(heads.items()), pictures))),
    )


def _head(page: Page) -> Iterator[Markup]:
    yield tag("p", "labkit", class_="brand")
    mark = [_mark(page.mood), " "] if page.mood else []
    yield tag("h1", *mark, page.headline)
    if page.summary:
        yield tag("p", page.summary, class_="summary")
    yield from map(_block, page.top)


def _section(section: Section) -> Markup:
    mark = [_mark(section.mood), " "] if section.mood else []
    heading = tag("h2", *mark, section.title, id=section.anchor)
    lead = [tag("p", section.lead, class_="lead")] if section.lead else []
    inside = [
        *([tag("p", section.text)] if section.text else []),
        *(tag("p", line, class_="setting") for line in section.setting),
        *map(_block, section.blocks),
    ]
    look = str(section.mood or "")
    if section.folded is None:
        return tag("section", heading, *lead, *inside, class_=look, aria_labelledby=section.anchor)
    note = tag("span", section.folded, class_="note")
    summary = tag("summary", heading, note, tag("span", section.lead, class_="lead"))
    return tag("section", tag("details", summary, *inside), class_=f"folded {look}")


def _block(block: Block) -> Markup:
    match block:
        case Table():
            return _table(block)
        case Story():
            return _story(block)
        case Fold():
            return _fold(block)
        case Index(name=name, entries=entries):
            lines = tag("ul", *map(_entry, entries))
            return tag("nav", lines, class_="box", aria_label=name)
    return _plain(block)


def _plain(block: Text | Heading | Facts | Code | Drawing | Commands) -> Markup:
    match block:
        case Text(text=text, kind=kind):
            return tag("p", text, class_=f"text-{kind}" if kind == "bad" else kind)
        case Heading(text=text, small=small):
            return tag("h4" if small else "h3", text)
        case Facts(rows=rows):
            return tag("dl", *(_fact(*row) for row in rows))
        case Code(text=text, kind=kind):
            return tag("pre", escaped_lines(text), class_=kind, tabindex="0")
        case Drawing(svg=svg, name=name):
            return tag("div", svg, class_="drawing", tabindex="0", role="group", aria_label=name)
        case Commands(title=title, commands=commands):
            lines = tag("ul", *map(_command, commands))
            heading = [tag("strong", title)] if title else []
            return tag("div", *heading, lines, class_="next")


def _command(command: Command) -> Markup:
    return tag("li", tag("code", command.line), tag("span", command.does, class_="note"))


def _fact(term: str, lines: Sequence[str]) -> Markup:
    return tag("div", tag("dt", term), tag("dd", *(tag("span", line) for line in lines)))


def _fold(fold: Fold) -> Markup:
    note = [tag("span", fold.note, class_="note")] if fold.note else []
    return tag("details", tag("summary", fold.title, *note), *map(_block, fold.blocks))


def _story(story: Story) -> Markup:
    heading = tag("h3", _mark(Mood.BAD), " ", story.title, id=story.anchor)
    place = [" ", tag("span", story.place, class_="place")] if story.place else []
    way = tag("p", story.way, *place, class_="way")
    blocks = map(_block, story.blocks)
    return tag("article", heading, way, *blocks, class_="story", aria_labelledby=story.anchor)


def _entry(entry: Entry) -> Markup:
    note = [" ", tag("span", entry.note, class_="note")] if entry.note else []
    under = [tag("li", tag("a", text, href=f"#{to}")) for to, text in entry.under]
    line = [_mark(entry.mood), " ", tag("a", entry.text, href=f"#{entry.to}"), *note]
    return tag("li", *line, *([tag("ul", *under)] if under else []))


def _mark(mood: Mood) -> Markup:
    """A sign, and its word for who does not see it."""
    sign = tag("span", MARKS[mood], aria_hidden="true")
    return tag("span", sign, tag("span", WORDS[mood], class_="out"), class_=f"mark {mood}")


def _table(table: Table) -> Markup:
    count = sum(len(group.rows) for group in table.groups)
    heads = tag("thead", tag("tr", *(tag("th", head, scope="col") for head in table.heads)))
    bodies = (_body(group, len(table.heads)) for group in table.groups)
    inside = joined([tag("caption", table.name, class_="out"), heads, *bodies], "\n")
    found = tag(
        "table",
        inside,
        class_=table.kind + (" filtered" if count >= FILTERED_FROM else ""),
        data_choose=" ".join(map(str, table.choose)),
        data_grouped=table.grouped_by,
        data_judged="verdict" if table.moods else "",
        data_moods=json.dumps(table.moods) if table.moods else "",
        data_counted=plural(2, table.counted).partition(" ")[2],
    )
    return tag("div", found, class_="wide", tabindex="0", role="group", aria_label=table.name)


def _body(group: Group, width: int) -> Markup:
    rows = list(map(_row, group.rows))
    if group.title:
        head = tag("th", group.title, colspan=str(width), scope="rowgroup")
        rows.insert(0, tag("tr", head, class_="group"))
    return tag("tbody", joined(rows, "\n"))


def _row(row: Row) -> Markup:
    mood = "" if row.mood is Mood.PLAIN else str(row.mood)
    return tag("tr", *map(_cell, row.cells), class_=mood)


def _cell(cell: Cell | str) -> Markup:
    if not isinstance(cell, Cell):
        return tag("td", cell)
    if cell.mark:
        return tag("td", _mark(cell.mark))
    lines: list[str | Markup] = list(cell.lines)
    if cell.to:
        lines = [tag("a", *lines, href=f"#{cell.to}")]
    elif len(lines) > 1:
        lines = [tag("span", line) for line in lines]
    note = [tag("span", cell.note, class_="note")] if cell.note else []
    look = "quiet" if cell.quiet else "facts-cell" if len(cell.lines) > 1 else ""
    return tag("td", *lines, *note, class_=look)


def _blocks(blocks: Iterable[Block]) -> Iterator[Block]:
    """Every block, those inside of others too."""
    for block in blocks:
        yield block
        if isinstance(block, Fold | Story):
            yield from _blocks(block.blocks)


def _all(page: Page) -> Iterator[Block]:
    yield from _blocks(page.top)
    for section in page.sections:
        yield from _blocks(section.blocks)


def _tables(page: Page) -> Iterator[Table]:
    return (block for block in _all(page) if isinstance(block, Table))


def _has_drawing(page: Page) -> bool:
    return any(isinstance(block, Drawing) for block in _all(page))
