"""Whose turn it is to ask a lab something that takes time, and who gives up waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labkit.errors import LabError


class Asker:
    """One who waits for an answer, as long as that is so."""

    def __init__(self) -> None:
        self.gone = False


class Turns:
    """Changes and probes of one lab, one after the other."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        """Nobody has a turn yet.

        Args:
            give_up: ends what is being asked of the lab.
        """
        self._give_up = give_up
        self._turn = threading.Lock()
        self._now = threading.Lock()
        self._asker: Asker | None = None

    @contextmanager
    def taken(self, asker: Asker | None) -> Iterator[None]:
        """Wait for a turn, and have it for the time of a block.

        Args:
            asker: for whom; None for what is not to be ended halfway.

        Raises:
            LabError: the asker has gone before its turn came.
        """
        with self._turn:
            with self._now:
                if asker is not None and asker.gone:
                    raise LabError("nobody waits for this any more")
                self._asker = asker
            try:
                yield
            finally:
                with self._now:
                    self._asker = None

    def leave(self, asker: Asker) -> None:
        """Say that an asker has gone: what it has asked for ends, and nobody else's."""
        with self._now:
            asker.gone = True
            if self._asker is asker:
                self._give_up()
