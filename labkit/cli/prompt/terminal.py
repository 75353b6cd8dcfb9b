"""The prompt on a terminal: a line editor with history and completion, by prompt_toolkit.

Imported only where standard input is a terminal: prompt_toolkit costs more than the rest.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.output import Output
from prompt_toolkit.shortcuts import CompleteStyle

from labkit.cli.prompt.machine import files, programs
from labkit.cli.prompt.offers import Known, Machine, begun_in, offers
from labkit.cli.prompt.session import LEAVE, Session
from labkit.errors import LabError, LabkitError
from labkit.holder.state import open_folder

PATIENCE_S: Final = 1.0
"""Nobody waits longer for Tab."""
GREETING: Final = "help lists what can be asked, Tab completes, Ctrl-D leaves; the lab stays"


class _LabGone(Exception):  # noqa: N818 - never leaves this module
    """The lab has ended while somebody wrote a line."""


class _Offers(Completer):
    """Asks the lab for its names each time: they change."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        del complete_event
        try:
            named = self._session.known(within_s=PATIENCE_S)
        except LabkitError:  # the next line that is sent says so
            return
        known = Known(
            nodes=named.nodes,
            clients=named.clients,
            pods=named.pods,
            targets=named.targets,
            objects=named.objects,
        )
        before = document.text_before_cursor
        begun = -len(begun_in(before))
        for offer in offers(before, known, Machine(programs=programs, files=files)):
            yield Completion(offer.word, begun, display_meta=offer.says)


def converse(session: Session) -> int:
    """Read lines from the terminal and do them until it is enough; return the exit status.

    Raises:
        LabkitError: there is no such lab, or it has ended meanwhile.
    """
    session.known()
    click.echo(f"{session.lab}: {GREETING}")
    editor: PromptSession[str] = PromptSession(
        f"{session.lab}> ",
        completer=_Offers(session),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
    )
    with _end_of(session.lab) as ended:
        status = 0
        while True:
            _begin_a_line(editor.output)
            try:
                line = editor.prompt(pre_run=lambda: _leave_at(ended))
            except KeyboardInterrupt:
                continue
            except EOFError:
                return status
            except _LabGone:
                raise LabError(
                    f"lab {session.lab} has ended; build it again with labkit up"
                ) from None
            if line.split()[:1] == [LEAVE]:
                return status
            if line.strip():
                status = session.do(line)


def _begin_a_line(screen: Output) -> None:
    """Put the cursor where a line begins, below what a program has left without a line end.

    Only the terminal knows where the cursor is. A screen's width of spaces, from where it is, goes
    on in the next line if it did not stand in front of its own; in both cases the line's begin is
    free. It is what zsh does (PROMPT_SP), without the mark.
    """
    screen.write_raw(" " * screen.get_size().columns + "\r")
    screen.flush()


@contextmanager
def _end_of(lab: str) -> Iterator[int]:
    """A descriptor that can be read from when a lab's holder has ended (pidfd_open(2))."""
    with open_folder() as folder:
        holder = folder.holder_of(lab)
    if holder is None:
        raise LabError(f"lab {lab} has ended; build it again with labkit up")
    try:
        yield holder
    finally:
        os.close(holder)


def _leave_at(ended: int) -> None:
    """Leave the line that is being written when the lab ends."""
    app = get_app()

    def leave() -> None:
        loop.remove_reader(ended)
        if app.is_running and not app.is_done:
            app.exit(exception=_LabGone())

    loop = asyncio.get_running_loop()
    loop.add_reader(ended, leave)
