"""How many files this process may have open: every namespace that a lab holds is one.

Source: getrlimit(2).
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature

PER_HOST: Final = 2
"""The namespace, and the responder that listens in it."""
RESERVE: Final = 64
"""For everything else."""


def make_room_for(hosts: int) -> None:
    """Raise this process' soft limit as far as a lab of so many hosts needs it.

    Raises:
        MissingFeature: the hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = sum(1 for _ in Path("/proc/self/fd").iterdir())
    needed = used + hosts * PER_HOST + RESERVE
    if needed <= soft:
        return
    if needed > hard:
        raise MissingFeature(
            "open files",
            found=f"{hosts} hosts need {needed}, this process may have {hard}",
            remedy=f"as root: ulimit -Hn {needed}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
