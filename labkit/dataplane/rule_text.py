"""Reads one rule as iptables-save prints it: its matches and its target.

Source: iptables(8), iptables-extensions(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
FLAGS: Final = frozenset({"--rcheck", "--set", "--reap", "--rsource", "--random-fully"})
"""Options without a value."""
TARGET_OPTIONS: Final = frozenset(
    {"--to-destination", "--set-xmark", "--reject-with", "--random-fully"}
)
SAYS_NOTHING: Final = frozenset({"-m", "--comment", "--mode"})
"""Options that no packet is asked about."""


@dataclass(frozen=True, slots=True)
class Match:
    """One condition: an option of the rule, as ``--dport`` or ``-s``."""

    option: str
    value: str = ""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: all matches must hold for its target to be used."""

    text: str
    matches: tuple[Match, ...]
    target: str = ""
    """A chain, a verdict or an action; empty where the rule only looks."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the target."""
    comment: str = ""


def parse_rule(text: str) -> Rule:
    """Read the text of a rule, without ``-A CHAIN``."""
    matches: list[Match] = []
    options: dict[str, str] = {}
    target = comment = ""
    for each in _options(text):
        if each.option == "-j":
            target = each.value
        elif each.option == "--comment":
            comment = each.value
        elif each.option in TARGET_OPTIONS:
            options[each.option] = each.value
        elif each.option not in SAYS_NOTHING:
            matches.append(each)
    return Rule(text, tuple(matches), target, options, comment)


def _options(text: str) -> Iterator[Match]:
    words = (quoted or bare for quoted, bare in WORD.findall(text))
    negated = False
    for word in words:
        if word == "!":
            negated = True
            continue
        yield Match(word, "" if word in FLAGS else next(words, ""), negated)
        negated = False
