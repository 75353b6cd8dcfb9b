"""The exchange's folder on the host: private, locked while it is used, and never left for long.

A labkit that is killed cannot remove its folder. The next one does: what nobody locks nobody uses.

Source: flock(2).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]
PREFIX: Final = "labkit-guest-"


@contextmanager
def exchange_folder() -> Iterator[Path]:
    """Make a folder for one guest and remove it with all that is in it."""
    _remove_unused()
    folder, lock = _make()
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _make() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = _lock(folder)
        if lock is not None:
            return folder, lock
        # Another labkit has looked at it between its making and its locking, and removes it.


def _remove_unused() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = _lock(folder)
            if lock is not None:
                _remove(folder)
                os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return a file descriptor that holds the folder's lock; None if another has it or has had."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.is_dir():
            return descriptor
    os.close(descriptor)
    return None


def _remove(folder: Path) -> None:
    """Remove all of it; a kernel that is ending may remove files of its own there meanwhile."""

    def failed(_function: object, _path: str, error: ExceptionInfo) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise error[1]

    shutil.rmtree(folder, onerror=failed)
