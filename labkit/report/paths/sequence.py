"""A path as a sequence diagram for a page: a line for each host, an arrow for each way. Pure.

Its colours are in the page's style sheet. What is not drawn is in its description.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from labkit.report.graph.measure import fitted, room_for, width_px, wrapped
from labkit.report.page.markup import Markup, joined, tag
from labkit.report.paths.words import Row, change_words, end_words, leg_words, rows, title
from labkit.report.text import UNICODE, clean
from labkit.trace.path import Fate, HostKind, Leg, Path

TEXT_PX: Final = 11
LINE: Final = 16
PAD: Final = 10
MARGIN: Final = 16
HEAD_HEIGHT: Final = 44
HEAD_WIDTH: Final = 140
BETWEEN: Final = 178
"""Pixels from one host's line to the next, at least."""
ARROW_HEIGHT: Final = 54
NOTE_ROOM: Final = 46
"""Characters of a note's line."""
NOTE_LINES: Final = 6
TIP: Final = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Which packet goes its way from here on."""

    text: str

    @property
    def height(self) -> int:
        """Pixels that it takes."""
        return LINE + PAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A packet on its way from one host to the next."""

    start: str
    end: str
    row: Row
    reply: bool
    changed: frozenset[str]
    """What of it became different in the host that it comes from."""

    @property
    def height(self) -> int:
        """Pixels that it takes."""
        return ARROW_HEIGHT + (LINE if self.row.in_tunnel else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """What happened to a packet in a host."""

    host: str
    lines: tuple[str, ...]
    tip: str = ""
    bad: bool = False

    @property
    def height(self) -> int:
        """Pixels that it takes."""
        return len(self.lines) * LINE + 2 * PAD + (2 * TIP + 6 if self.bad else 0)


Step = Said | Sent | Noted


class Hosts(NamedTuple):
    """Where the hosts' lines are."""

    kinds: dict[str, HostKind]
    between: int

    @property
    def width(self) -> int:
        """Pixels of the whole picture."""
        return 2 * MARGIN + HEAD_WIDTH + max(len(self.kinds) - 1, 1) * self.between

    def x(self, host: str) -> int:
        """Where the line of a host is."""
        return MARGIN + HEAD_WIDTH // 2 + list(self.kinds).index(host) * self.between


class Diagram(NamedTuple):
    """A picture and its size in pixels."""

    svg: Markup
    width: int
    height: int


def sequence_diagram(path: Path, ids: str) -> Markup:
    """Return the diagram; empty for a path without any packet.

    Args:
        path: what to draw.
        ids: what its anchors start with.
    """
    found = diagram(path, ids)
    return found.svg if found else Markup()


def diagram(path: Path, ids: str) -> Diagram | None:
    """Return the same with its size, or None."""
    steps = list(steps_of(path))
    if not steps:
        return None
    hosts = _hosts(path, steps)
    height = MARGIN + HEAD_HEIGHT + PAD + sum(step.height for step in steps) + MARGIN
    body: list[Markup] = []
    y = MARGIN + HEAD_HEIGHT + PAD
    for step in steps:
        body.append(_drawn(step, hosts, y))
        y += step.height
    described = " ".join(f"{line}." for step in steps for line in _words(step))
    svg = tag(
        "svg",
        tag("title", f"Path of {title(path)}", id=f"{ids}-title"),
        tag("desc", described, id=f"{ids}-desc"),
        *(_life_line(host, hosts, height) for host in hosts.kinds),
        *body,
        class_="sequence",
        width=str(hosts.width),
        height=str(height),
        viewBox=f"0 0 {hosts.width} {height}",
        role="img",
        aria_labelledby=f"{ids}-title {ids}-desc",
    )
    return Diagram(svg, hosts.width, height)


def steps_of(path: Path) -> Iterator[Step]:
    """Yield what happened, from above to below."""
    for leg in path.legs:
        if leg.hops:
            yield Said(text=leg_words(leg))
            yield from _leg(leg)


def _leg(leg: Leg) -> Iterator[Step]:
    found = rows(leg)
    yield from _changes(found[0])
    changed = {change.field for change in found[0].changes}
    for before, after in pairwise(found):
        yield from _changes(after)
        changed |= {change.field for change in after.changes}
        if before.host != after.host:
            yield Sent(
                start=before.host,
                end=after.host,
                row=after,
                reply=leg.is_reply,
                changed=frozenset(changed),
            )
            changed = set()
    if leg.end.fate is not Fate.DELIVERED:
        lines = wrapped(clean(end_words(leg.end)), NOTE_ROOM, NOTE_LINES)
        tip = leg.end.rule or leg.end.reason
        yield Noted(host=leg.end.host, lines=tuple(map(str.strip, lines)), tip=tip, bad=True)


def _changes(row: Row) -> Iterator[Noted]:
    for change in row.changes:
        lines = wrapped(clean(change_words(change)), NOTE_ROOM, NOTE_LINES)
        tip = " > ".join((*change.chains, change.rule)) if change.rule else ""
        yield Noted(host=row.host, lines=tuple(map(str.strip, lines)), tip=tip)


def _hosts(path: Path, steps: Sequence[Step]) -> Hosts:
    kinds = {hop.host: hop.kind for leg in path.legs for hop in leg.hops}
    for leg in path.legs:
        kinds.setdefault(leg.end.host, HostKind.NODE)
    longest = max(
        (
            width_px(str(each), TEXT_PX)
            for step in steps
            if isinstance(step, Sent)
            for each in (step.row.source, step.row.destination)
        ),
        default=0,
    )
    return Hosts(kinds, max(BETWEEN, longest + 4 * PAD))


def _words(step: Step) -> Iterator[str]:
    match step:
        case Said(text=text):
            yield text
        case Sent(start=start, end=end, row=row):
            yield f"{start} to {end}, from {row.source} to {row.destination}"
        case Noted(lines=lines):
            yield " ".join(lines)


def _life_line(host: str, hosts: Hosts, height: int) -> Markup:
    x, kind = hosts.x(host), hosts.kinds[host]
    room = room_for(HEAD_WIDTH - 2 * PAD, 13)
    return joined(
        [
            _line("life", x, MARGIN + HEAD_HEIGHT, x, height - MARGIN),
            _rect(f"head {kind}", x - HEAD_WIDTH // 2, MARGIN, HEAD_WIDTH, HEAD_HEIGHT),
            _text("name middle", x, MARGIN + 19, fitted(clean(host), room), host),
            _text("quiet middle", x, MARGIN + 35, str(kind)),
        ]
    )


def _drawn(step: Step, hosts: Hosts, y: int) -> Markup:
    match step:
        case Said(text=text):
            across = _line("across", MARGIN, y + 3, hosts.width - MARGIN, y + 3)
            return joined([across, _text("packet", MARGIN, y + LINE + 4, text)])
        case Sent():
            return _arrow(step, hosts, y)
        case Noted():
            return _note(step, hosts, y)


def _arrow(step: Sent, hosts: Hosts, y: int) -> Markup:
    """A line with a tip; above it where the packet says it is from, below it where to."""
    x1, x2 = hosts.x(step.start), hosts.x(step.end)
    way = 1 if x2 > x1 else -1
    at = y + ARROW_HEIGHT // 2
    back = x2 - way * TIP
    points = f"{x2},{at} {back},{at - TIP // 2 - 1} {back},{at + TIP // 2 + 1}"
    # Between the line that it comes from and the next one, where no other line crosses it.
    middle = x1 + way * hosts.between // 2
    parts = [
        _line("reply" if step.reply else "way", x1, at, back, at),
        tag("polygon", points=points, class_="tip"),
        _text(_kind(step, "source"), middle, at - 7, f"{step.row.source}"),
        _text(
            _kind(step, "destination"),
            middle,
            at + 16,
            f"{UNICODE.arrow} {step.row.destination}",
        ),
    ]
    if step.row.in_tunnel:
        parts.append(_text("quiet middle", middle, at + 16 + LINE, step.row.in_tunnel))
    return joined(parts)


def _kind(step: Sent, field: str) -> str:
    return "middle new" if field in step.changed else "middle"


def _note(step: Noted, hosts: Hosts, y: int) -> Markup:
    """A box on the host's line, moved to where it has room; a cross where a packet ended."""
    x = hosts.x(step.host)
    width = max(width_px(line, TEXT_PX) for line in step.lines) + 2 * PAD
    left = min(max(x - width // 2, MARGIN), hosts.width - MARGIN - width)
    parts: list[Markup] = []
    if step.bad:
        at = y + TIP + 2
        parts += [
            _line("cross", x - TIP, at - TIP, x + TIP, at + TIP),
            _line("cross", x - TIP, at + TIP, x + TIP, at - TIP),
        ]
        y += 2 * TIP + 6
    kind = "note bad" if step.bad else "note"
    parts.append(_rect(kind, left, y + 3, width, len(step.lines) * LINE + PAD))
    parts += [
        _text("bad" if step.bad else "", left + PAD, y + 2 + number * LINE, line)
        for number, line in enumerate(step.lines, start=1)
    ]
    return tag("g", *([tag("title", step.tip)] if step.tip else []), *parts)


def _text(kind: str, x: int, y: int, text: str, tip: str = "") -> Markup:
    more = [tag("title", tip)] if tip and tip != text else []
    return tag("text", *more, text, class_=kind, x=str(x), y=str(y))


def _line(kind: str, x1: int, y1: int, x2: int, y2: int) -> Markup:
    return tag("line", class_=kind, x1=str(x1), y1=str(y1), x2=str(x2), y2=str(y2))


def _rect(kind: str, x: int, y: int, width: int, height: int) -> Markup:
    at = {"x": str(x), "y": str(y), "width": str(width), "height": str(height)}
    return tag("rect", class_=kind, **at, rx="6")
