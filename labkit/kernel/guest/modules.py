"""Loads kernel modules in this process: modprobe would be a process for each, and slow in a guest.

Source: finit_module(2), modules.dep(5).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterable
from typing import Final

FINIT_MODULE: Final = {"x86_64": 313, "aarch64": 273}
FINE: Final = (0, errno.EEXIST)


class Modules:
    """The modules of one kernel, by a folder as depmod(8) leaves it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._needs: dict[str, list[str]] = {}
        self._path: dict[str, str] = {}
        self._done: set[str] = set()
        with open(f"{folder}/modules.dep", encoding="utf-8") as file:  # noqa: PTH123 - no pathlib
            for line in file:
                path, _, needs = line.partition(":")
                self._needs[path] = needs.split()
                name = path.rpartition("/")[2].partition(".ko")[0]
                self._path[name.replace("-", "_")] = path
        self._libc = ctypes.CDLL(None, use_errno=True)

    def load(self, names: Iterable[str]) -> list[str]:
        """Load modules and what they need; return what was refused, in words.

        A name that is not among the modules is taken to be built in.
        """
        refused: list[str] = []
        for name in names:
            if path := self._path.get(name.replace("-", "_")):
                self._load(path, refused)
        return refused

    def _load(self, path: str, refused: list[str]) -> None:
        if path in self._done:
            return
        self._done.add(path)
        for needed in reversed(self._needs[path]):
            self._load(needed, refused)
        descriptor = os.open(f"{self._folder}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            number = FINIT_MODULE[platform.machine()]
            failed = self._libc.syscall(number, descriptor, b"", 0)
            code = ctypes.get_errno() if failed else 0
        finally:
            os.close(descriptor)
        if code not in FINE:
            refused.append(f"{path}: {os.strerror(code)}")
