"""A real terminal for tests: tmux plays it, keys go in and its screen comes out."""

from __future__ import annotations

import os
import select
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

DEADLINE_S = 15.0
ROOT = Path(__file__).parent.parent.parent
WIDTH, HEIGHT = 160, 50
CHUNK_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Terminal:
    """One window of a tmux server that is the test's alone."""

    socket: Path
    shown: int
    """Readable when the program has shown something."""

    def keys(self, *keys: str) -> None:
        """Press keys by their names: ``Enter``, ``Tab``, ``C-c``."""
        self._tmux("send-keys", "-t", "it", *keys)

    def write(self, text: str) -> None:
        """Write text without a line end."""
        self._tmux("send-keys", "-t", "it", "-l", text)

    def line(self, text: str) -> None:
        """Write a line and send it."""
        self.write(text)
        self.keys("Enter")

    def screen(self) -> str:
        """What has been shown, as text, with what has scrolled away."""
        return self._tmux("capture-pane", "-t", "it", "-p", "-J", "-S", "-")

    def rows(self) -> list[str]:
        """The rows of the screen down to the last that has text, with what has scrolled away.

        A line that is longer than a row is several.
        """
        shown = self._tmux("capture-pane", "-t", "it", "-p", "-S", "-").rstrip()
        return [row.rstrip() for row in shown.splitlines()]

    def wait_for(self, text: str, *, after: int = 0) -> str:
        """Wait until the screen shows ``text`` more than ``after`` times."""
        for _ in self.looks(what=repr(text)):
            if (screen := self.screen()).count(text) > after:
                return screen
        raise AssertionError

    def looks(self, *, what: str, within_s: float = DEADLINE_S) -> Iterator[None]:
        """Now, and again each time when the program has shown something; fail at the deadline."""
        deadline = time.monotonic() + within_s
        while True:
            yield
            left_s = deadline - time.monotonic()
            assert left_s > 0, f"no {what} within {within_s} s in:\n{self.screen()}"
            if select.select([self.shown], [], [], left_s)[0]:
                os.read(self.shown, CHUNK_BYTES)

    def status(self) -> int:
        """Wait until the program has ended; its exit status."""
        deadline = time.monotonic() + DEADLINE_S
        status = ""
        while not status:
            assert time.monotonic() < deadline, self.screen()
            # tmux 3.3 sometimes leaves an ended program a zombie; a child of its own that ends
            # makes it look after all of them.
            self._tmux("run-shell", "true")
            status = self._tmux("list-panes", "-t", "it", "-F", "#{pane_dead_status}").strip()
        return int(status)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(
            ["tmux", "-S", str(self.socket), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _need_tmux() -> None:
    """Skip without tmux only where scripts/setup could not install it and has said so.

    In continuous integration, and as root without that, its absence is a failure.
    """
    if shutil.which("tmux"):
        return
    excused = os.geteuid() != 0 or (ROOT / ".venv/.no-tmux").exists()
    if excused and "CI" not in os.environ:
        pytest.skip("tmux is not installed; apt-get install tmux")
    pytest.fail("tmux is not installed and this test needs it; run: make setup")


@contextmanager
def terminal(
    folder: Path,
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    columns: int = WIDTH,
) -> Iterator[Terminal]:
    """Run a program in a terminal; both end behind the block."""
    _need_tmux()
    socket = folder / "tmux"
    start = ["tmux", "-S", str(socket), "-f", "/dev/null"]
    size = ["-x", str(columns), "-y", str(HEIGHT)]
    stream = folder / "shown"
    os.mkfifo(stream)
    shown = os.open(stream, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    # One call: the server's environment is the program's, and the pane stays when that ends.
    subprocess.run(
        [
            *start,
            *("set-option", "-g", "remain-on-exit", "on", ";"),
            *("new-session", "-d", "-s", "it", *size, shlex.join(argv), ";"),
            *("pipe-pane", "-t", "it", f"exec cat >{shlex.quote(str(stream))}"),
        ],
        cwd=cwd,
        env={**environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"},
        check=True,
    )
    try:
        yield Terminal(socket, shown)
    finally:
        subprocess.run([*start, "kill-server"], check=True)
        os.close(shown)
