"""Programs in a host's namespaces: started by util-linux's tools, and dead when labkit is.

`setpriv --pdeathsig` has the kernel kill a program when the thread that started it ends. That is
asked for after the fork, so each program also checks that its parent still is the one that it was.

Source: setpriv(1), nsenter(1), unshare(1), prctl(2) PR_SET_PDEATHSIG, pid_namespaces(7).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO, Final

from labkit.errors import LabError
from labkit.kernel.tools import search_path

Stream = int | IO[bytes] | None
Process = subprocess.Popen[bytes]

ENTER: Final = '[ "$PPID" = "$0" ] || exit 1; exec "$@"'
"""Go on only as the child of labkit: it may have died before the death signal was asked for."""
OWN_PIDS: Final = (
    '[ "$PPID" = "$0" ] || exit 1; first=$1; shift; '
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


def start(
    argv: Sequence[str],
    *,
    net_fd: int,
    mount_fd: int,
    own_pids: bool,
    env: Mapping[str, str] | None,
    streams: tuple[Stream, Stream, Stream],
) -> subprocess.Popen[bytes]:
    """Start a program in a network and a mount namespace.

    Must be called on a thread that lives as long as the program may: the kernel kills the program
    when that thread ends.

    Raises:
        LabError: util-linux's programs are missing.
    """
    me = os.getpid()
    inside = ["nsenter", f"--net=/proc/{me}/fd/{net_fd}", f"--mount=/proc/{me}/fd/{mount_fd}"]
    if own_pids:
        shell = ["sh", "-c", OWN_PIDS, str(me), FIRST_PROCESS]
    else:
        shell = ["sh", "-c", ENTER, str(me)]
    stdin, stdout, stderr = streams
    try:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *inside, "--", *shell, *argv],
            env={**os.environ, "PATH": search_path(), **(env or {})},
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is missing; install util-linux") from error
