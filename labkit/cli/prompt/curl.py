"""Where a curl command goes, as far as its words tell. Pure.

Source: curl(1) 7.88 and 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit

from labkit.probe.flow import Outcome

PORTS: Final = {"http": 80, "https": 443}
WITH_VALUE: Final = frozenset("AbcCdDeEFHKmoPQrtTuUwxXyYz")
"""One-letter options that take a value, behind them or as the next word."""
LONG_WITH_VALUE: Final = frozenset(
    {
        "connect-timeout",
        "connect-to",
        "cookie",
        "data",
        "data-binary",
        "data-raw",
        "dns-servers",
        "form",
        "header",
        "interface",
        "json",
        "limit-rate",
        "local-port",
        "max-redirs",
        "max-time",
        "output",
        "proxy",
        "referer",
        "request",
        "resolve",
        "retry",
        "retry-delay",
        "retry-max-time",
        "user",
        "user-agent",
        "write-out",
    }
)
ANSWERED: Final = frozenset({0, 22})
"""Exit statuses of curl that say that a server answered; 22 is an HTTP error under --fail."""
ENDS: Final = {
    28: frozenset({Outcome.TIMED_OUT}),
    7: frozenset({Outcome.REFUSED, Outcome.UNREACHABLE, Outcome.TIMED_OUT}),
    56: frozenset({Outcome.RESET}),
}


def targets(words: Sequence[str]) -> list[str]:
    """Return the ``HOST:PORT`` of each URL of a curl command; nothing if it is no curl command."""
    if not words or PurePath(words[0]).name != "curl":
        return []
    return [target for word in _urls(words[1:]) if (target := _target(word))]


def outcomes(status: int) -> frozenset[Outcome] | None:
    """Return what may have become of the flow if curl exits so; None if that says nothing."""
    return frozenset({Outcome.CONNECTED}) if status in ANSWERED else ENDS.get(status)


def _urls(words: Sequence[str]) -> Iterator[str]:
    takes_next = False
    for word in words:
        if takes_next:
            takes_next = False
        elif word == "--url":
            continue
        elif word.startswith("--"):
            takes_next = word.removeprefix("--") in LONG_WITH_VALUE
        elif word.startswith("-") and len(word) > 1:
            takes_next = _takes_next(word.removeprefix("-"))
        else:
            yield word


def _takes_next(letters: str) -> bool:
    """Whether the first letter that takes a value is the last one."""
    for place, letter in enumerate(letters, start=1):
        if letter in WITH_VALUE:
            return place == len(letters)
    return False


def _target(url: str) -> str | None:
    """``HOST:PORT`` of an URL; None for what is none or of another scheme."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
    return f"{parts.hostname}:{port}" if parts.hostname and port else None
