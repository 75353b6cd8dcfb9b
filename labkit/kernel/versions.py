"""The versions of the programs and of the Python that a lab is made with."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from typing import Final

from labkit.kernel.process import ask
from labkit.kernel.tools import which

PROGRAMS: Final = ("iptables-restore", "nft", "ipset")
WITHIN_S: Final = 5.0


@cache
def versions() -> tuple[tuple[str, str], ...]:
    """Return labkit, Python, and each program that there is, with what it says of itself."""
    found = [("labkit", version("labkit")), ("Python", platform.python_version())]
    for name in PROGRAMS:
        path = which(name)
        said = ask([path, "--version"], within_s=WITHIN_S) if path else None
        if said:
            words = said.partition("\n")[0].strip()
            found.append((name, words.removeprefix(f"{name} ")))
    return tuple(found)
