"""Progress on stderr, only to a terminal, by rich: one line, which is gone at the end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from labkit.report.text import plural

if TYPE_CHECKING:
    from labkit.lab.meter import Meter, Progress

TELLING: Final = 0.05
"""What share of the work must be done before the rest can be guessed."""
A_MOMENT_S: Final = 2.0
"""Nobody asks how long something takes that is over at once."""
TIMES_A_SECOND: Final = 8
MINUTE_S: Final = 60


def can_show(*, quiet: bool) -> bool:
    """Whether stderr is a terminal that can take a line back."""
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def progress(what: str, *, quiet: bool) -> Iterator[None]:
    """Show a spinner with ``what`` while the block runs; nothing if stderr is no terminal."""
    if not can_show(quiet=quiet):
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(what)):
        yield


@contextmanager
def progress_of(meter: Meter, *, quiet: bool) -> Iterator[None]:
    """Show how far labs have come while the block runs; nothing if stderr is no terminal."""
    if not can_show(quiet=quiet):
        yield
        return
    began = time.monotonic()
    with _line_of(lambda: line(meter.now(), time.monotonic() - began)):
        yield


@contextmanager
def _line_of(text: Callable[[], str]) -> Iterator[None]:
    """Show what ``text`` says now and again, cut off where the terminal ends."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def shown() -> Text:
        return Text(text(), no_wrap=True, overflow="ellipsis")

    console = Console(stderr=True)
    with Live(
        get_renderable=shown,
        console=console,
        transient=True,
        refresh_per_second=TIMES_A_SECOND,
        redirect_stdout=False,
        redirect_stderr=False,
    ):
        yield


def line(now: Progress, elapsed_s: float) -> str:
    """Return ``3 of 45 scenarios, 12 checks, 1 failed, 9 s, about 40 s left``."""
    parts = [f"{now.done} of {plural(now.labs, 'scenario')}"]
    parts += [plural(now.checks, "check")] if now.checks else []
    parts += [plural(now.flows, "flow")] if now.flows else []
    parts += [f"{now.failed} failed"] if now.failed else []
    if now.labs == 1 and now.probes.asked:
        parts.append(f"{now.probes.answered:,} of {now.probes.asked:,} probes")
    parts.append(_duration(elapsed_s))
    if (left_s := remaining_s(now, elapsed_s)) is not None:
        parts.append(f"about {_duration(left_s)} left")
    return ", ".join(parts)


def remaining_s(now: Progress, elapsed_s: float) -> float | None:
    """Return how long it will take still if it goes on as it went; None if nobody can tell yet.

    One lab is as far as its probes; of several each counts the same, done or to do.
    """
    running = now.probes.answered / now.probes.asked if now.probes.asked else 0.0
    share = running if now.labs == 1 else now.done / max(now.labs, 1)
    if elapsed_s < A_MOMENT_S or share < TELLING or share >= 1:
        return None
    return elapsed_s * (1 - share) / share


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), MINUTE_S)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
