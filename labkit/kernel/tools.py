"""Where programs are looked for: on PATH, and where Debian keeps those for root.

An ordinary user's PATH has no /usr/sbin, and iptables is there; in a user namespace it works.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Final

FOR_ROOT: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """PATH with the folders for root at its end."""
    given = os.environ.get("PATH", os.defpath)
    return os.pathsep.join((given, *FOR_ROOT))


def which(name: str) -> str | None:
    """The full path of a program, or None."""
    import shutil

    return shutil.which(name, path=search_path())


def can_execute(program: Path) -> bool:
    """Whether this process may run a file."""
    return os.access(program, os.X_OK)
