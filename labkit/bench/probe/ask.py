"""What every client asks, whoever it is: the same bytes, from and to the same places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from labkit.kernel.netns import Namespace
from labkit.probe.wire import Identity

WINDOW: Final = 256
"""Conversations at a time."""
SILENCE_S: Final = 10.0
"""Nobody here is silent: who is so for so long has lost a packet for good."""
ANSWER: Final = Identity("web-1", "node1", "web-1").http_answer("10.0.0.1:40000", "10.0.0.2:80")


class Ask(NamedTuple):
    """One question."""

    namespace: Namespace
    address: str
    port: int


class Client(Protocol):
    """Asks, and answers itself in the namespaces that it was made with."""

    def run(self, asks: Sequence[Ask]) -> list[float]:
        """Ask everything, in this order, and return what each answer took, in seconds.

        Raises:
            OSError: one of them failed.
        """
        ...

    def close(self) -> None:
        """Close every socket."""
        ...


def grouped(asks: Sequence[Ask]) -> dict[Namespace, int]:
    """How many questions come from each namespace: their sockets are made in one visit."""
    counts: dict[Namespace, int] = {}
    for ask in asks:
        counts[ask.namespace] = counts.get(ask.namespace, 0) + 1
    return counts
