"""A line of the prompt: a verb with its words, or a host with a command for its shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from labkit.cli.prompt.verbs import VERBS
from labkit.errors import UsageError
from labkit.manifest.problems import nearest, quote

FOR_A_SHELL: Final = frozenset("|&;<>()$`*?[]{}~!#\n")
"""A command with one of these, quoted or not, is left to a shell; the others need none."""
SHELL: Final = ("/bin/sh", "-c")
OPERATORS: Final = frozenset("|&;<>()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A verb and its words."""

    verb: str
    words: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHost:
    """A command for a host, as it was written; nothing for its shell."""

    host: str
    text: str


def read(line: str, hosts: Iterable[str]) -> Asked | OnHost | None:
    """Return what a line asks; None for an empty one or a comment.

    Raises:
        UsageError: it begins with no verb and no host, a quote is not closed, or there is a NUL.
    """
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    if "\0" in text:
        raise UsageError(f"{quote(text)}: no word can hold a NUL; leave it out")
    first, *rest = text.split(maxsplit=1)
    after = rest[0] if rest else ""
    if first in VERBS:
        return Asked(verb=first, words=split(after))
    hosts = list(hosts)
    if first in hosts:
        return OnHost(host=first, text=after)
    known = [*VERBS, *hosts]
    raise UsageError(f"{quote(first)} is no verb and no host; {nearest(first, known)}; try help")


def split(text: str) -> list[str]:
    """Return the words of a text, by a shell's quotes.

    Raises:
        UsageError: a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{quote(text)}: {str(error).lower()}; close it") from error


def program(text: str) -> Sequence[str]:
    """Return the program and arguments for a command: its own, or those of a shell that reads it.

    Raises:
        UsageError: a quote is not closed.
    """
    return (*SHELL, text) if FOR_A_SHELL.intersection(text) else split(text)


def first_command(text: str) -> Sequence[str]:
    """Return the words of the first simple command of a shell's line, as far as it can be read."""
    reader = shlex.shlex(text, posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    reader.commenters = ""
    words: list[str] = []
    try:
        for word in reader:
            if OPERATORS.issuperset(word):
                break
            words.append(word)
    except ValueError:
        return ()
    return words
