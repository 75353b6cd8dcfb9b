"""A program in a host, as a child of the prompt: Ctrl-C ends the program and not the prompt.

Source: tcsetpgrp(3), termios(3), waitpid(2).
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from labkit.cli.ending import complain
from labkit.errors import LabkitError
from labkit.holder.enter import run_in

SIGNALLED = 128
"""A program that a signal ended has this and the signal's number, as in shells."""


def run(lab: str, host: str, argv: Sequence[str], *, terminal: bool) -> int:
    """Run a program in a host of a lab to its end and return its exit status.

    Args:
        lab: the lab.
        host: the host.
        argv: the program and its arguments.
        terminal: whether it gets standard input, which is a terminal; else that is empty: a
            script's lines are the prompt's.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with _interrupts_are_the_programs(), _terminal_is_given_back(given=terminal):
        child = os.fork()
        if not child:
            _become(lab, host, argv, terminal=terminal)
        _, waited = os.waitpid(child, 0)
    status = os.waitstatus_to_exitcode(waited)
    return SIGNALLED - status if status < 0 else status


def _become(lab: str, host: str, argv: Sequence[str], *, terminal: bool) -> None:
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if not terminal:
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)
        run_in(lab, host, argv)
    except LabkitError as error:
        status = complain(error)
    finally:
        sys.stderr.flush()
        os._exit(status)


@contextmanager
def _interrupts_are_the_programs() -> Iterator[None]:
    """Stay while the program is interrupted: both are in the terminal's foreground group."""
    # A function, where SIG_IGN would be ignored by the program, too (execve(2)).
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _terminal_is_given_back(*, given: bool) -> Iterator[None]:
    """Have the terminal as it was, whatever a program has made of it and however it has ended."""
    if not given:
        yield
        return
    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        # Of a background group, which a killed shell leaves us, the kernel would stop us for this.
        waiting = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(OSError, termios.error):  # the terminal is gone
            os.tcsetpgrp(0, os.getpgrp())
            termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, waiting)
