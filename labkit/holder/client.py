"""Asks the processes that hold labs, and ends them."""

from __future__ import annotations

import os
import select
import signal
from typing import Final, TypeVar

from labkit.errors import LabError
from labkit.holder.enter import no_answer
from labkit.holder.protocol import (
    Answer,
    Answered,
    Describe,
    Description,
    Failure,
    Request,
    answer_from,
    error_of,
    line_of,
    read_line,
)
from labkit.holder.state import Folder, no_lab, open_folder

A = TypeVar("A", bound=Answer)

GREETING_S: Final = 5.0
"""How long a holder may take to say what it holds."""
ENDING_S: Final = 10.0
"""How long a holder may take to end what runs in its lab, before it is killed."""


def ask(folder: Folder, lab: str, request: Request, *, within_s: float | None = None) -> Answered:
    """Return the answer of a lab's holder.

    Args:
        folder: where labs are.
        lab: the lab's name.
        request: what is asked.
        within_s: how long it may take; None for as long as it takes.

    Raises:
        LabkitError: what was asked for cannot be, or there is no answer.
    """
    with folder.connect(lab) as connection:
        connection.settimeout(within_s)
        try:
            connection.sendall(line_of(request))
            line = read_line(connection)
        except OSError as error:
            raise no_answer(lab, error) from error
    if not line:
        raise no_answer(lab)
    answer = answer_from(line)
    if isinstance(answer, Failure):
        raise error_of(answer)
    return answer


def ask_for(lab: str, request: Request, kind: type[A], *, within_s: float | None = None) -> A:
    """Return the answer of a lab's holder, which is to be of one kind.

    Args:
        lab: the lab's name.
        request: what is asked.
        kind: of the answer.
        within_s: how long it may take; None for as long as it takes.

    Raises:
        LabkitError: what was asked for cannot be, or there is no such answer.
    """
    with open_folder() as folder:
        answer = ask(folder, lab, request, within_s=within_s)
    if not isinstance(answer, kind):
        raise LabError(f"lab {lab} answered something else; end it with labkit down {lab}")
    return answer


def describe(folder: Folder, lab: str) -> Description:
    """Return what a lab is.

    Raises:
        LabkitError: there is no such lab, or its holder does not answer.
    """
    answer = ask(folder, lab, Describe(), within_s=GREETING_S)
    if not isinstance(answer, Description):
        raise LabError(f"lab {lab} does not say what it is; end it with labkit down {lab}")
    return answer


def end(folder: Folder, lab: str) -> None:
    """End a lab and return when its holder is gone; that one is killed if it does not end itself.

    This needs no answer: it works on a holder that hangs, and on one of another version.

    Raises:
        UsageError: no lab of that name runs; with those that do.
        LabError: it has only just been asked for.
    """
    holder = folder.holder_of(lab)
    if holder is None:
        raise no_lab(lab, folder.labs())
    try:
        for number, patience_s in ((signal.SIGTERM, ENDING_S), (signal.SIGKILL, None)):
            signal.pidfd_send_signal(holder, number)
            if select.select([holder], [], [], patience_s)[0]:
                break
    except ProcessLookupError:  # it has ended by itself
        pass
    finally:
        os.close(holder)
    folder.labs()
