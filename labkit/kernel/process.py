"""Programs in a host's namespaces: started by util-linux's tools, and dead when labkit is.

`setpriv --pdeathsig` has the kernel kill a program when the thread that started it ends. That is
asked for after the fork, so each program also checks that its parent still is the one that it was.

Source: setpriv(1), nsenter(1), unshare(1), prctl(2) PR_SET_PDEATHSIG, pid_namespaces(7).
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from labkit.errors import MissingFeature
from labkit.kernel.tools import search_path

Stream = int | IO[bytes] | None
Process = subprocess.Popen[bytes]

CHECKED: Final = '[ "$PPID" = "$0" ] || exit 1; cd "$1" 2>/dev/null || :; shift; exec "$@"'
"""Go on only as the child of labkit: it may have died before the death signal was asked for.

A change of mount namespace ends in /, so the working directory is taken up again.
"""
OWN_PIDS: Final = (
    '[ "$PPID" = "$0" ] || exit 1; cd "$1" 2>/dev/null || :; first=$2; shift 2; '
    'exec unshare --mount --pid --fork --kill-child=KILL sh -c "$first" "$$" "$@"'
)
FIRST_PROCESS: Final = (
    "while read -r key value; do "
    '[ "$key" = PPid: ] && parent=$value; '
    "done < /proc/self/status; "
    '[ "$parent" = "$0" ] || exit 1; '
    'mount -t proc proc /proc && exec "$@"'
)
"""The same check in the new process namespace, where the parent shows only in the old /proc."""


def enter(*, net_fd: int, mount_fd: int) -> list[str]:
    """The command that enters the namespaces of this process' file descriptors."""
    me = os.getpid()
    return ["nsenter", f"--net=/proc/{me}/fd/{net_fd}", f"--mount=/proc/{me}/fd/{mount_fd}", "--"]


def watched(argv: Sequence[str], *, own_pids: bool = False) -> list[str]:
    """The command that runs ``argv`` in this process' working directory and dies with it."""
    die_with_us = ["setpriv", "--pdeathsig", "KILL", "--"]
    script, extra = (OWN_PIDS, [FIRST_PROCESS]) if own_pids else (CHECKED, [])
    return [*die_with_us, "sh", "-c", script, str(os.getpid()), _directory(), *extra, *argv]


def start(
    command: Sequence[str],
    env: Mapping[str, str] | None,
    streams: tuple[Stream, Stream, Stream],
) -> Process:
    """Start a command with ``env`` beside this process' own variables.

    Must be called on a thread that lives as long as the program may: the kernel kills the program
    when that thread ends.

    Raises:
        LabError: util-linux's programs are missing.
    """
    stdin, stdout, stderr = streams
    try:
        return subprocess.Popen(
            command,
            env={**os.environ, "PATH": search_path(), **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
    except FileNotFoundError as error:
        raise _missing(error) from error


def ask(argv: Sequence[str], *, within_s: float) -> str | None:
    """Run a program to its end, outside any lab, and return all that it printed, or None.

    None is for one that does not end in time: it is killed, with what it has started.
    """
    try:
        asked = subprocess.Popen(
            watched(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except FileNotFoundError as error:
        raise _missing(error) from error
    try:
        said, _ = asked.communicate(timeout=within_s)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(asked.pid, signal.SIGKILL)
        asked.communicate()
    return said.decode(errors="replace")


def _directory() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:  # it was removed
        return "/"


def _missing(error: FileNotFoundError) -> MissingFeature:
    remedy = "apt-get install util-linux"
    return MissingFeature("tools", found=f"{error.filename} is not on PATH", remedy=remedy)
