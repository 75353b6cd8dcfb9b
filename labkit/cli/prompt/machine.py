"""What the machine has for Tab to offer: programs and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from labkit.kernel.tools import search_path


def programs() -> list[str]:
    """The names of all programs, sorted."""
    found: set[str] = set()
    for folder in search_path().split(os.pathsep):
        with suppress(OSError), os.scandir(folder) as entries:
            found.update(each.name for each in entries if each.is_file())
    return sorted(found)


def files(begun: str) -> Iterator[str]:
    """The paths that begin so, sorted; a folder's ends with a slash."""
    folder, slash, name = begun.rpartition("/")
    with suppress(OSError):
        for each in sorted(Path(f"{folder}{slash}" or ".").iterdir()):
            hidden = each.name.startswith(".") and not name.startswith(".")
            if each.name.startswith(name) and not hidden:
                yield f"{folder}{slash}{each.name}{'/' if each.is_dir() else ''}"
