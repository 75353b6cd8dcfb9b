"""How much memory a guest gets."""

from __future__ import annotations

import os
import re
from typing import Final

from labkit.errors import UsageError

MEMORY: Final = "LABKIT_GUEST_MEMORY"
"""Names a guest's memory, as 512M or 2G, in the environment."""
SIZE: Final = re.compile(r"([1-9][0-9]{0,5})([MG])")
LEAST_MIB: Final = 128
"""Python and a small lab fit into it."""
USUAL_MIB, MOST_MIB = 512, 4096


def memory_mib() -> int:
    """What the environment says, else half of what is free, within reason.

    Raises:
        UsageError: it says something that is no size, or too small to boot.
    """
    given = os.environ.get(MEMORY)
    if given is None:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
        return max(USUAL_MIB, min(MOST_MIB, free // 2))
    match = SIZE.fullmatch(given.strip().upper())
    size = int(match[1]) * (1024 if match[2] == "G" else 1) if match else 0
    if size < LEAST_MIB:
        raise UsageError(
            f"{MEMORY}={given} is no size of {LEAST_MIB}M or more, such as {USUAL_MIB}M or 2G"
        )
    return size
