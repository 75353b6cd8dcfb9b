"""A program in a host, as a child of the prompt: Ctrl-C ends the program and not the prompt.

It is a process group of its own, in the terminal's foreground, as a shell would do it. There are
no jobs here: a program that stops is told to go on.

Source: setpgid(2), tcsetpgrp(3), termios(3), waitpid(2).
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NoReturn

from labkit.cli.ending import complain
from labkit.errors import LabError, LabkitError
from labkit.holder.enter import run_in

SIGNALLED: Final = 128
"""A program that a signal ended has this and the signal's number, as in shells."""
STDIN: Final = 0


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
    with _terminal_is_taken_back(given=terminal):
        child = os.fork()
        if not child:
            _become(lab, host, argv, terminal=terminal)
        with suppress(OSError):  # it has done so itself, and is another program already
            os.setpgid(child, child)
        with _interrupts_are_passed_to(child):
            status = os.waitstatus_to_exitcode(_wait(child))
    return SIGNALLED - status if status < 0 else status


def _wait(child: int) -> int:
    while True:
        _, waited = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(waited):
            return waited
        os.killpg(child, signal.SIGCONT)


def _become(lab: str, host: str, argv: Sequence[str], *, terminal: bool) -> NoReturn:
    status = 1
    try:
        os.setpgid(0, 0)
        if terminal:
            _take_terminal()
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), STDIN)
        run_in(lab, host, argv, group=True)
    except KeyboardInterrupt:
        status = SIGNALLED + signal.SIGINT
    except LabkitError as error:
        status = complain(error)
    except Exception as error:  # noqa: BLE001 - nobody else is told
        status = complain(LabError(f"{argv[0]} cannot be run on {host}: {error}; try again"))
    finally:
        sys.stderr.flush()
        os._exit(status)


def _take_terminal() -> None:
    """Be the terminal's foreground group. Another group would be stopped for asking (tcsetpgrp)."""
    waiting = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        os.tcsetpgrp(STDIN, os.getpgrp())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, waiting)


@contextmanager
def _interrupts_are_passed_to(group: int) -> Iterator[None]:
    """Without a terminal of its own the program is not in the group that Ctrl-C is sent to."""

    def interrupt(_signal: int, _frame: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGINT)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _terminal_is_taken_back(*, given: bool) -> Iterator[None]:
    """Have the terminal as it was, whatever a program has made of it and however it has ended."""
    if not given:
        yield
        return
    before = termios.tcgetattr(STDIN)
    try:
        yield
    finally:
        with suppress(OSError, termios.error):  # the terminal itself is gone
            _take_terminal()
            termios.tcsetattr(STDIN, termios.TCSADRAIN, before)
