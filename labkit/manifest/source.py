"""YAML text to trees with positions: safely, within bounds, every fault with its place.

The parser's events are composed here and not by PyYAML, so that depth and alias expansion are
bounded while reading and duplicate keys are seen. No tag makes anything but plain values.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from typing import Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from labkit.manifest.compose import Composer, Refused
from labkit.manifest.location import Location
from labkit.manifest.problems import Problem
from labkit.manifest.tree import Node

MOST_BYTES: Final = 48 * 1024 * 1024
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_TAB: Final = ("a tab where YAML wants spaces", "indent with spaces")
_MODELINE: Final = "yaml-language-server:"


def documents(data: bytes | str, file: str) -> tuple[list[Node], list[Problem]]:
    """Return the documents of a file that are not empty, and what is wrong with the text.

    After a fault that YAML cannot be read past, the documents before it are returned.
    """
    try:
        text = _text(data)
        return _compose(text, file)
    except Refused as fault:
        return [], [_problem(fault, file)]


def head_comment(data: bytes | str) -> str:
    """The comment block at the head of a file without its ``#``; empty if there is none."""
    text = data.decode(errors="replace") if isinstance(data, bytes) else data
    lines: list[str] = []
    for line in text.removeprefix("\ufeff").lstrip().splitlines():
        if not line.startswith("#"):
            break
        comment = line.lstrip("#").removeprefix(" ").rstrip()
        if not comment.startswith(_MODELINE):
            lines.append(comment)
    return "\n".join(lines).strip()


def _text(data: bytes | str) -> str:
    """The text of a file, checked for all that YAML forbids in any place."""
    if len(data) > MOST_BYTES:
        remedy = "split the file; nodes, pods and Services can be in files of their own"
        raise Refused(1, 1, f"larger than {MOST_BYTES >> 20} MiB", remedy)
    text = data if isinstance(data, str) else _decode(data)
    text = text.removeprefix("\ufeff")
    found = _UNPRINTABLE.search(text)
    if found:
        line, column = _place(text, found.start())
        what = "NUL" if found.group() == "\0" else f"U+{ord(found.group()):04X}"
        raise Refused(line, column, f"character {what} is not allowed in YAML", "remove it")
    return text


def _decode(data: bytes) -> str:
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise Refused(1, 1, "the text is UTF-16", "save the file as UTF-8")
    try:
        return data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        line, column = _place(before, len(before))
        byte = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise Refused(line, column, byte, "save the file as UTF-8") from None


def _place(text: str, index: int) -> tuple[int, int]:
    start = text.rfind("\n", 0, index) + 1
    return text.count("\n", 0, index) + 1, index - start + 1


def _compose(text: str, file: str) -> tuple[list[Node], list[Problem]]:
    composer = Composer()
    problems: list[Problem] = []
    try:
        for event in _events(text):
            _feed(composer, event)
    except Refused as fault:
        problems.append(_problem(fault, file))
    faults = [_problem(fault, file) for fault in composer.faults]
    full = [node for node in composer.documents if node.value is not None]
    return full, faults + problems


def _events(text: str) -> Iterator[Event]:
    """The parser's events; its own errors, and Python's in its scalars, come out as Refused."""
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark if error.problem_mark is None else error.problem_mark
        at = (1, 1) if mark is None else (int(mark.line) + 1, int(mark.column) + 1)
        tab = mark is not None and text[int(mark.index) : int(mark.index) + 1] == "\t"
        raise Refused(*at, *(_TAB if tab else _in_words(error))) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        what = str(error).splitlines()[0] if str(error) else "unreadable"
        raise Refused(1, 1, f"this is not YAML: {what}", "mend the text") from None


def _in_words(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    problem = (error.problem or "unreadable").strip()
    context, mark = f" {error.context}" if error.context else "", error.context_mark
    place = "" if mark is None else f" in line {int(mark.line) + 1}"
    return f"this is not YAML: {problem}{context}{place}", "mend the text here or just above"


def _feed(composer: Composer, event: Event) -> None:
    """Hand one event to the composer; scalars first, for most events are scalars."""
    mark = event.start_mark
    at = (1, 1) if mark is None else (int(mark.line) + 1, int(mark.column) + 1)
    if isinstance(event, ScalarEvent):
        quoted = not event.implicit[0]
        composer.scalar(str(event.value), event.tag, event.anchor, quoted=quoted, at=at)
    elif isinstance(event, MappingStartEvent):
        composer.start(event.tag, event.anchor, is_mapping=True, at=at)
    elif isinstance(event, MappingEndEvent):
        composer.end()
    elif isinstance(event, SequenceStartEvent):
        composer.start(event.tag, event.anchor, is_mapping=False, at=at)
    elif isinstance(event, SequenceEndEvent):
        composer.end()
    elif isinstance(event, AliasEvent):
        composer.alias(str(event.anchor), *at)
    elif isinstance(event, DocumentStartEvent):
        composer.start_document()


def _problem(fault: Refused, file: str) -> Problem:
    location = Location(file=file, line=fault.line, column=fault.column)
    return Problem(location, "", fault.message, fault.remedy)
