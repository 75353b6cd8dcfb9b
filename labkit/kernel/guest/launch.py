"""Starts a guest, hands its output on as it comes, and takes its results out.

Source: inotify(7), pidfd_open(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import labkit
from labkit.errors import LabError, UsageError
from labkit.kernel.guest import exchange, init
from labkit.kernel.guest.contain import contained
from labkit.kernel.guest.exchange import Request, place_inside
from labkit.kernel.guest.folder import exchange_folder
from labkit.kernel.guest.machine import Machine
from labkit.kernel.guest.memory import MEMORY

BOOT_LIMIT_S: Final = 60.0
"""So long a guest may take until it gives its first sign of life, on a fast machine."""
SILENCE_LIMIT_S: Final = 30.0
"""So long a guest may go without a sign of life, of which it gives one a second."""
CONSOLE: Final = "console"
IN_MODIFY, IN_MOVED_TO = 0x2, 0x80
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
LAST_WORDS: Final = 3
KILLED: Final = 128 + signal.SIGKILL
OUT_OF_MEMORY: Final = "Out of memory"
TELLING: Final = ("Kernel panic", OUT_OF_MEMORY, "BUG:", "Unable to", "No such file")


def run_in_guest(
    machine: Machine,
    argv: Sequence[str],
    *,
    results: Iterable[Path] = (),
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run ``python -m ARGV`` in a guest and return its exit status.

    It sees the files of this machine, in this directory and environment, and can change none but
    ``results``.

    Args:
        machine: which guest.
        argv: a module's name and its arguments.
        results: files that the command will write.
        environment: variables beside those of this process.

    Raises:
        LabError: the guest did not boot, hung or died; with its last words.
        UsageError: a result cannot be put into its place, or the guest cannot have this directory.
    """
    with _exchange() as folder:
        places = {str(path.absolute()): place_inside(n) for n, path in enumerate(results)}
        _request(machine, argv, places, environment or {}).write(folder)
        with _Guest(machine, folder) as guest:
            status = guest.wait()
            guest.check_memory(status)
        for path, inside in places.items():
            _put(folder / Path(inside).name, Path(path))
    return status


@contextmanager
def _exchange() -> Iterator[Path]:
    with exchange_folder() as folder:
        for file in (exchange.STDOUT, exchange.STDERR, exchange.ALIVE, exchange.SIGNAL, CONSOLE):
            (folder / file).touch()
        yield folder


def _request(
    machine: Machine, argv: Sequence[str], places: Mapping[str, str], more: Mapping[str, str]
) -> Request:
    environment = {
        **os.environ,
        **more,
        exchange.IN_GUEST: machine.kind,
        exchange.RESULTS: json.dumps(places),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if os.isatty(1):
        environment[exchange.TERMINAL] = "1"
    environment.setdefault("COLUMNS", str(shutil.get_terminal_size().columns))
    return Request(
        kind=machine.kind,
        argv=tuple(argv),
        path=tuple(sys.path),
        cwd=_directory(),
        environment=environment,
        modules=machine.modules,
        wanted=machine.wanted,
    )


def _directory() -> str:
    """The working directory, which the guest must have too.

    Raises:
        UsageError: it is where the guest has files of its own, or was removed.
    """
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise UsageError("the working directory was removed; go to another one") from None
    for own in init.HIDDEN:
        if here.is_relative_to(own):
            raise UsageError(f"a guest has a {own} of its own; go to another folder than {here}")
    return str(here)


class _Guest:
    """Owns the guest's process while it runs."""

    def __init__(self, machine: Machine, folder: Path) -> None:
        self._machine = machine
        self._folder = folder
        self._read = {exchange.STDOUT: 0, exchange.STDERR: 0}
        self._interrupts = 0

    def __enter__(self) -> _Guest:
        with ExitStack() as stack:
            script = self._folder / "init"
            script.write_text(_init_script(self._machine.exchange(self._folder)))
            script.chmod(0o700)
            console = stack.enter_context((self._folder / CONSOLE).open("wb"))
            command = self._machine.command(self._folder, script)
            argv, end = contained(command)
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,  # the terminal's Ctrl-C is for us to hand on
            )
            stack.callback(self._process.wait)
            stack.callback(self._process.send_signal, end)
            self._ended = os.pidfd_open(self._process.pid)
            stack.callback(os.close, self._ended)
            self._changes = _watch(self._folder)
            stack.callback(os.close, self._changes)
            self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, self._woken)
            stack.callback(os.close, wake)
            stack.enter_context(_signals_wake(wake))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait(self) -> int:
        """Hand output on until the command has ended; return its exit status."""
        heard, size = time.monotonic(), 0
        while True:
            limit = (SILENCE_LIMIT_S if size else BOOT_LIMIT_S) * self._machine.patience
            patience = max(0.0, heard + limit - time.monotonic())
            ready, *_ = select.select([self._ended, self._changes, self._woken], [], [], patience)
            self._hand_on()
            if (status := self._status()) is not None:
                self._hand_on()
                return status
            if self._ended in ready:
                self.check_memory(KILLED)
                raise LabError(f"the {self._machine.kind} kernel died: {self._last_words()}")
            if self._woken in ready:
                self._pass_on(os.read(self._woken, 64)[-1])
            if self._changes in ready:
                os.read(self._changes, 1 << 16)
            if (now := (self._folder / exchange.ALIVE).stat().st_size) != size:
                heard, size = time.monotonic(), now
            elif time.monotonic() >= heard + limit:
                what = "hangs" if size else "does not boot"
                raise LabError(
                    f"the {self._machine.kind} kernel {what}: no sign of life for {limit:.0f} s; "
                    f"{self._last_words()}"
                )

    def check_memory(self, status: int) -> None:
        """Tell a command that had no more memory from one that was killed otherwise.

        Raises:
            LabError: the guest has run out of memory.
        """
        if status != KILLED or OUT_OF_MEMORY not in self._console():
            return
        size = self._machine.memory_mib
        raise LabError(
            f"the {self._machine.kind} guest has run out of its {size} MiB of memory; "
            f"give it more: {MEMORY}={2 * size}M"
        )

    def _hand_on(self) -> None:
        for name, stream in (
            (exchange.STDOUT, sys.stdout.buffer),
            (exchange.STDERR, sys.stderr.buffer),
        ):
            with (self._folder / name).open("rb") as file:
                file.seek(self._read[name])
                new = file.read()
            if new:
                self._read[name] += len(new)
                stream.write(new)
                stream.flush()

    def _status(self) -> int | None:
        try:
            return int((self._folder / exchange.STATUS).read_text())
        except FileNotFoundError:
            return None

    def _pass_on(self, number: int) -> None:
        """Tell the guest of a signal; at the second one, end it at once."""
        self._interrupts += 1
        if self._interrupts > 1 or not (self._folder / exchange.ALIVE).stat().st_size:
            raise KeyboardInterrupt
        (self._folder / exchange.SIGNAL).write_text(str(number))
        self._machine.interrupt(self._folder)

    def _last_words(self) -> str:
        """What the console says of the end: the telling lines, else the last ones."""
        lines = self._console().splitlines()
        said = [line.strip() for line in lines if line.strip()]
        telling = [line for line in said if any(word in line for word in TELLING)]
        words = (telling or said)[-LAST_WORDS:]
        return f"its last words: {' / '.join(words)}" if words else "it said nothing"

    def _console(self) -> str:
        return (self._folder / CONSOLE).read_text(errors="replace")


def _init_script(how_to_mount: Sequence[str]) -> str:
    """What the kernel starts: it can give its first process no environment of our choice."""
    package, module = Path(labkit.__file__).parents[1], init.__name__
    words = ["env", f"PYTHONPATH={package}", sys.executable, "-B", "-m", module, *how_to_mount]
    return f"#!/bin/sh\nexec {shlex.join(words)}\n"


def _watch(folder: Path) -> int:
    """Return a descriptor that can be read when a file of ``folder`` has changed."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor: int = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    libc.inotify_add_watch(descriptor, os.fsencode(folder), IN_MODIFY | IN_MOVED_TO)
    return descriptor


@contextmanager
def _signals_wake(descriptor: int) -> Iterator[None]:
    """Have SIGINT and SIGTERM write their number to ``descriptor``, and do nothing else."""
    before = signal.set_wakeup_fd(descriptor, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, lambda *_: None) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before)


def _put(made: Path, place: Path) -> None:
    """Put a result where the user wants it."""
    if not made.exists():
        return
    try:
        place.write_bytes(made.read_bytes())
    except OSError as error:
        raise UsageError(f"{place}: {error.strerror}") from error
