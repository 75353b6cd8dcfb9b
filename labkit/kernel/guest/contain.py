"""Starts a guest so that no process of it outlives labkit, however either ends.

User-Mode Linux runs the guest's programs as processes that it traces. When only the tracer is
killed they go on, and then their system calls are the host's: all of them must die in one act. A
process namespace sees to that. Where none can be made, a shell kills the whole process group, when
it hears that labkit has died (SIGTERM) or when the guest's kernel has.

Source: ptrace(2), pid_namespaces(7), setpriv(1), prctl(2) PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import Final, NamedTuple

from labkit.kernel import process
from labkit.kernel.rootless import is_root, why_no_user_namespace

NOT_THE_FIRST: Final = ("sh", "-c", '"$@"; exit "$?"', "sh")
"""The kernel must not be the first process of its namespace: a panic ends it by a signal, and those
do nothing to a first process."""
KEEPER: Final = (
    'trap "kill -KILL -\\$! \\$!; kill -KILL 0" TERM; [ "$PPID" = "$0" ] || exit 1; '
    '"$@" & wait "$!"; kill -KILL "-$!"; kill -KILL 0'
)
"""Kills the guest's kernel and what it has started: it makes itself a process group."""


class Contained(NamedTuple):
    """How to start a guest and how to end it; all of it then ends."""

    argv: list[str]
    end: signal.Signals


def contained(command: Sequence[str]) -> Contained:
    """Return how to run ``command`` so that nothing is left of it. It needs its own session.

    Must be started on a thread that lives as long as the guest.
    """
    in_namespace = process.watched([*NOT_THE_FIRST, *command], own_pids=True)
    if is_root():
        return Contained(in_namespace, signal.SIGKILL)
    if why_no_user_namespace() is None:
        as_root = ("unshare", "--user", "--map-root-user", "--")
        return Contained([*in_namespace[:4], *as_root, *in_namespace[4:]], signal.SIGKILL)
    told = ("setpriv", "--pdeathsig", "TERM", "--")
    keeper = [*told, "sh", "-c", KEEPER, str(os.getpid()), *command]
    return Contained(keeper, signal.SIGTERM)
