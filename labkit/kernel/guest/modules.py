"""Loads kernel modules in this process: modprobe would be a process for each, and slow in a guest.

Source: finit_module(2), modules.dep(5).
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from typing import Final

from labkit.kernel.guest.early import FINIT_MODULE

COMPRESSED: Final = 4
"""MODULE_INIT_COMPRESSED_FILE"""
FINE: Final = (0, errno.EEXIST)


class Modules:
    """The modules of one kernel, by a folder as depmod(8) leaves it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._needs: dict[str, list[str]] = {}
        self._path: dict[str, str] = {}
        with open(f"{folder}/modules.dep", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib
            for line in file:
                path, _, needs = line.partition(":")
                self._needs[path] = needs.split()
                name = path.rpartition("/")[2].partition(".ko")[0]
                self._path[name.replace("-", "_")] = path
        self._libc = ctypes.CDLL(None, use_errno=True)

    def files(self, names: Iterable[str]) -> list[str]:
        """Return the files of modules and of what they need, in the order to load them in.

        A name that is not among the modules is taken to be built in.
        """
        found: dict[str, None] = {}
        for name in names:
            if path := self._path.get(name.replace("-", "_")):
                # modules.dep names all that a module needs, what to load first last.
                found.update(dict.fromkeys((*reversed(self._needs[path]), path)))
        return list(found)

    def load(self, names: Iterable[str]) -> list[str]:
        """Load modules and what they need; return what was refused, in words."""
        refused: list[str] = []
        for path in self.files(names):
            descriptor = os.open(f"{self._folder}/{path}", os.O_RDONLY | os.O_CLOEXEC)
            flags = 0 if path.endswith(".ko") else COMPRESSED
            failed = self._libc.syscall(FINIT_MODULE[os.uname().machine], descriptor, b"", flags)
            code = ctypes.get_errno() if failed else 0
            os.close(descriptor)
            if code not in FINE:
                refused.append(f"{path}: {os.strerror(code)}")
        return refused
