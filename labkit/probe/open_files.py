"""How many sockets this process may still open."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

WANTED: Final = 65536
"""Enough for the largest lab; a soft limit far above it slows programs that close every number."""
RESERVE: Final = 64
"""Descriptors left for everything that is no probe."""


def room_for_sockets(wanted: int) -> int:
    """Return how many probes may be open at once, at most ``wanted`` and at least 1.

    A probe costs two descriptors: its own and, while it is answered, the responder's. If there is
    no room for ``wanted``, this process' soft limit is raised towards its hard one first.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/proc/self/fd").iterdir()) + RESERVE
    if (soft - used) // 2 < wanted and soft < min(hard, WANTED):
        soft = min(hard, WANTED)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(wanted, (soft - used) // 2))
