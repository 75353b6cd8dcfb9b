"""Where labkit keeps what it can make again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for labkit; it need not be there yet.

    Source: the XDG Base Directory Specification, $XDG_CACHE_HOME.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "labkit"
