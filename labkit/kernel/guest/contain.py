"""Starts a guest so that no process of it outlives labkit, however either ends.

User-Mode Linux runs the guest's programs as processes that it traces. When only the tracer is
killed they go on, and then their system calls are the host's: all of them must die in one act. A
process namespace sees to that. Where none can be made, a shell kills the whole process group when
labkit or the guest's kernel has died.

Source: ptrace(2), pid_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from labkit.kernel import process
from labkit.kernel.rootless import is_root, why_no_user_namespace

NOT_THE_FIRST: Final = ("sh", "-c", '"$@"; exit "$?"', "sh")
"""The kernel must not be the first process of its namespace: a panic ends it by a signal, and those
do nothing to a first process."""
KEEPER: Final = (
    'trap "kill -KILL 0" TERM; [ "$PPID" = "$0" ] || exit 1; "$@" & wait "$!"; kill -KILL 0'
)
"""The process group's keeper gets SIGTERM when labkit is dead."""


def contained(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` and leaves nothing of it. It needs its own session.

    Must be started on a thread that lives as long as the guest.
    """
    in_namespace = process.watched([*NOT_THE_FIRST, *command], own_pids=True)
    if is_root():
        return in_namespace
    if why_no_user_namespace() is None:
        as_root = ("unshare", "--user", "--map-root-user", "--")
        return [*in_namespace[:4], *as_root, *in_namespace[4:]]
    return kept(command)


def kept(command: Sequence[str]) -> list[str]:
    """The same without a process namespace."""
    told = ("setpriv", "--pdeathsig", "TERM", "--")
    return [*told, "sh", "-c", KEEPER, str(os.getpid()), *command]
