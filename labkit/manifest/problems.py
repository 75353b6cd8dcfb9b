"""What can be wrong with a scenario: a problem, its place and its remedy; and lists of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, NamedTuple, TypeVar

from labkit.errors import ManifestError
from labkit.manifest.location import Location

T = TypeVar("T")

Path = tuple[str | int, ...]
"""Fields and indexes from an object down to a value: ``("spec", "ports", 0, "port")``."""

MOST_PROBLEMS: Final = 100
"""Problems shown of one load; more are counted. A broken generated file can have thousands."""
SHOWN_NAMES: Final = 12
LONGEST_QUOTE: Final = 60


class Finding(NamedTuple):
    """A problem before its place is known: validators find these in typed objects."""

    path: Path
    message: str
    remedy: str
    at_key: bool = False
    """The key itself is wrong, not its value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, where, and what would be right."""

    location: Location
    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        parts = (str(self.location), self.path, f"{self.message}; {self.remedy}")
        return ": ".join(part for part in parts if part)


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Raise ManifestError with ``problems``, each once, in the order of the files; or do nothing.

    Raises:
        ManifestError: there is at least one problem.
    """
    unique = _unique(problems)
    if not unique:
        return
    shown = unique[:MOST_PROBLEMS]
    if len(unique) > len(shown):
        rest = f"{len(unique) - len(shown)} more problems are not shown"
        shown.append(Problem(unique[-1].location, "", rest, "mend those above first"))
    raise ManifestError(shown)


def _unique(items: Iterable[T]) -> list[T]:
    """Each item once, in the order in which they come."""
    seen: dict[T, bool] = {}
    for item in items:
        seen[item] = True
    return list(seen)


def dotted(path: Path) -> str:
    """The path as the API server writes it: ``spec.ports[0].port``."""
    text = ""
    for part in path:
        if isinstance(part, int) or not part.isidentifier():
            text += f"[{quote(str(part))}]"
        else:
            text += f".{part}" if text else part
    return text


def quote(text: str) -> str:
    """``text`` on one line, short, with nothing that a terminal would act on."""
    plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return plain if len(plain) <= LONGEST_QUOTE else plain[: LONGEST_QUOTE - 1] + "…"


def nearest(found: str, known: Iterable[str], *, none: str = "there are none") -> str:
    """The remedy for a name that is not known: what was likely meant, and what there is."""
    names = _unique(known)
    listed = ", ".join(quote(name) for name in names[:SHOWN_NAMES])
    if len(names) > SHOWN_NAMES:
        listed += ", …"
    there_are = f"there are: {listed}" if names else none
    lower = {name.lower(): name for name in reversed(names)}
    close = get_close_matches(found.lower()[:LONGEST_QUOTE], lower, n=1)
    return f"did you mean {quote(lower[close[0]])}? {there_are}" if close else there_are
