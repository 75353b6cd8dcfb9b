"""The input of iptables-restore in many small transactions, where one large one is refused. Pure.

A table is one message to nf_tables, and an ordinary user's socket takes twice net.core.wmem_max at
most: the rules of some four hundred Services. Root's takes any length.

Source: iptables-restore(8), where COMMIT ends a transaction; socket(7), SO_SNDBUFFORCE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from labkit.dataplane.rules import BUILT_IN

LINES: Final = 200
"""In one transaction: a rule is a kilobyte in the kernel's language, or more."""


def emptied(text: str) -> str:
    """Return an input that leaves the same tables with nothing in them."""
    return "".join(
        f"{line}\n"
        for name, lines in _tables(text)
        for line in (
            f"*{name}",
            *(line for line in lines if line[0] == ":" and _chain(line) in BUILT_IN[name]),
            "COMMIT",
        )
    )


def in_pieces(text: str) -> str:
    """Return the same for ``iptables-restore --noflush``, in short transactions.

    Chains come first, then their rules, and rules of built-in chains after all others: what a
    packet could come to is there before it is led there. Chains that go, go last.
    """
    return "".join(
        f"{line}\n"
        for name, lines in _tables(text)
        for some in _transactions(name, lines)
        for line in (f"*{name}", *some, "COMMIT")
    )


def _transactions(name: str, lines: Sequence[str]) -> Iterator[Sequence[str]]:
    declared = [line for line in lines if line[0] == ":"]
    leading = [line for line in lines if line[0] != ":" and _chain(line) in BUILT_IN[name]]
    gone = [line for line in lines if line.startswith("-X ")]
    apart = {*declared, *leading, *gone}
    own = [line for line in lines if line not in apart]
    for some in (declared, own, leading, gone):
        yield from (some[at : at + LINES] for at in range(0, len(some), LINES))


def _tables(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The tables of an input, each with its lines between its name and COMMIT."""
    name, lines = "", list[str]()
    for line in text.splitlines():
        if line[0] == "*":
            name, lines = line[1:], []
        elif line == "COMMIT":
            yield name, lines
        else:
            lines.append(line)


def _chain(line: str) -> str:
    """The chain that a line is about."""
    return line[1:].split(" ", 1)[0] if line[0] == ":" else line.split(" ", 2)[1]
