"""How many files this process may have open: every namespace and every probe is at least one.

Source: getrlimit(2).
"""

from __future__ import annotations

import resource
import socket
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature

PER_HOST: Final = 2
"""The namespace, and the responder that listens in it."""
PER_PROBE: Final = 2
"""The probe's own and, while it is answered, the responder's."""
RESERVE: Final = 64
"""For everything else."""
WANTED: Final = 65536
"""Enough for the largest lab; a soft limit far above it slows programs that close every number."""


def make_room_for(hosts: int) -> None:
    """Raise this process' soft limit as far as a lab of so many hosts needs it.

    Raises:
        MissingFeature: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _in_use() + hosts * PER_HOST
    if needed <= soft:
        return
    if needed > hard:
        raise MissingFeature(
            "open files",
            found=f"{hosts} hosts need {needed}, this process may have {hard}",
            remedy=f"as root: ulimit -Hn {needed}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def room_for_sockets(wanted: int) -> int:
    """Return how many probes may be open at once, at most ``wanted`` and at least 1.

    If there is no room for ``wanted``, the soft limit is raised towards the hard one first.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = _in_use()
    if (soft - used) // PER_PROBE < wanted and soft < min(hard, WANTED):
        soft = min(hard, WANTED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, (soft - used) // PER_PROBE))


def _in_use() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir()) + RESERVE


def open_sockets(count: int, family: int, kind: int, protocol: int = 0) -> list[socket.socket]:
    """Open many sockets in the calling thread's namespace.

    Raises:
        OSError: no more could be opened; those that were are closed again.
    """
    made: list[socket.socket] = []
    try:
        for _ in range(count):
            made.append(socket.socket(family, kind, protocol))
    except OSError:
        for each in made:
            each.close()
        raise
    return made
