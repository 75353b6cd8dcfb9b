"""Programs that run as long as a lab does: started, watched, logged, and gone with it.

Source: pidfd_open(2), pread(2).
"""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import IO, Final

from labkit.errors import LabError
from labkit.kernel.netns import Namespace

LAST_LINES: Final = 5
PAUSE_MS: Final = 2


class Daemon:
    """One program in a namespace. Its output goes to a file without a name, gone with the lab."""

    def __init__(
        self,
        where: str,
        namespace: Namespace,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, with a process namespace of its own: whatever it starts dies with it.

        Args:
            where: what messages call it.
            namespace: where it runs.
            argv: the program and its arguments.
            env: variables beside those of this process.
        """
        self.where = where
        with ExitStack() as undo:
            self._log: IO[bytes] = undo.enter_context(tempfile.TemporaryFile())
            self._process = namespace.popen(
                argv,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                own_pids=True,
            )
            undo.callback(self._end)
            self._pidfd = os.pidfd_open(self._process.pid)
            undo.pop_all()

    @property
    def returncode(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def fileno(self) -> int:
        """A descriptor that can be read from once the program has ended."""
        return self._pidfd

    def log(self) -> str:
        """Everything that the program has written so far."""
        # pread, as the program writes through the same file offset.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def last_words(self) -> str:
        """The end of what it has written, to put behind a message."""
        lines = self.log().splitlines()[-LAST_LINES:]
        return "; its output ends: " + " | ".join(lines) if lines else "; it printed nothing"

    def close(self) -> None:
        """End the program and wait until it is gone."""
        self._end()
        os.close(self._pidfd)
        self._log.close()

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()


def until(condition: Callable[[], bool], daemons: Sequence[Daemon], *, within_s: float) -> bool:
    """Wait for something that programs are to bring about; return whether it came in time.

    Raises:
        LabError: one of the programs has ended instead; with the end of its output.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        if (ended := _first_to_end(daemons)) is not None:
            status = ended.returncode
            raise LabError(f"{ended.where} ended with {status}{ended.last_words()}")
        if time.monotonic() > deadline:
            return False
    return True


def _first_to_end(daemons: Sequence[Daemon]) -> Daemon | None:
    """The pause between two looks at something else, cut short by the end of a program."""
    poller = select.poll()
    by_descriptor = {daemon.fileno(): daemon for daemon in daemons}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    ended = poller.poll(PAUSE_MS)
    return by_descriptor[ended[0][0]] if ended else None
