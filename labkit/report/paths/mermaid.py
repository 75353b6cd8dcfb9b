"""A path as a Mermaid sequence diagram: GitHub and GitLab draw it inside Markdown. Pure.

Source: mermaid 11 packages/mermaid/src/diagrams/sequence/parser/sequenceDiagram.jison; a message's
text ends at ``;`` and ``#`` begins an entity (utils.ts, encodeEntities).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from labkit.report.paths.words import change_words, end_words, leg_words, rows, title
from labkit.report.text import clean
from labkit.trace.path import Fate, Leg, Path

_PLAIN: Final = re.compile(r"[A-Za-z0-9 ,.()/_-]")


def paths_mermaid(paths: Sequence[Path]) -> str:
    """Return one diagram with all paths below each other; hosts are in the order of the way."""
    hosts = list(dict.fromkeys(hop.host for path in paths for leg in path.legs for hop in leg.hops))
    lines = ["sequenceDiagram"]
    lines += [f"  participant h{place} as {_text(host)}" for place, host in enumerate(hosts)]
    names = {host: f"h{place}" for place, host in enumerate(hosts)}
    for path in paths:
        first = names[path.legs[0].hops[0].host] if path.legs else next(iter(names.values()), "")
        if not first:
            continue
        lines.append(f"  Note over {first}: {_text(title(path))}")
        for leg in path.legs:
            lines += (f"  {line}" for line in _leg(leg, names))
        lines.append(f"  Note over {first}: {_text(path.verdict)}")
    return "\n".join([*lines, ""])


def _leg(leg: Leg, names: dict[str, str]) -> Iterator[str]:
    found = rows(leg)
    what = leg_words(leg)
    for change in found[0].changes:
        yield f"Note over {names[found[0].host]}: {_text(change_words(change))}"
    for before, after in pairwise(found):
        for change in after.changes:
            yield f"Note over {names[after.host]}: {_text(change_words(change))}"
        if before.host != after.host:
            arrow = "-->>" if leg.is_reply else "->>"
            words = f"{what}: {after.source} to {after.destination}"
            yield f"{names[before.host]}{arrow}{names[after.host]}: {_text(words)}"
    if leg.end.fate is not Fate.DELIVERED:
        if leg.end.fate is Fate.LOST:
            yield f"{names[leg.end.host]}-x{names[leg.end.host]}: {_text(what)}"
        yield f"Note over {names[leg.end.host]}: {_text(end_words(leg.end))}"


def _text(words: str) -> str:
    return "".join(each if _PLAIN.match(each) else f"#{ord(each)};" for each in clean(words))
