"""The initial RAM disk of a virtual machine: this interpreter, a few modules, one program.

The kernels of distributions have the file system that shows the host's files as a module, so there
must be something before it that can load modules. Python can, and it is here.

Source: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel; ldd(1).
"""

from __future__ import annotations

import lzma
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from labkit.errors import MissingFeature
from labkit.kernel.guest import early
from labkit.kernel.guest.modules import Modules

NEEDED: Final = ("virtio_pci", "9pnet_virtio", "9p")
FOLDER: Final = stat.S_IFDIR | 0o755
PROGRAM: Final = stat.S_IFREG | 0o755
CONSOLE: Final = stat.S_IFCHR | 0o600
CONSOLE_DEVICE: Final = (5, 1)
LIBRARY: Final = re.compile(r"(?:=> )?(/\S+) \(0x")
USED: Final = (
    "import __future__, ctypes, os, sys\n"
    "for module in list(sys.modules.values()):\n"
    "    for name in ('__file__', '__cached__'):\n"
    "        print(getattr(module, name, None) or '')\n"
    "print(os.__file__)\n"
)
"""Prints every file that the interpreter reads for what `early` imports."""


def initramfs(modules: str, start: Path) -> bytes:
    """Return the archive; ``start`` is what is run once the host's files are there.

    Raises:
        MissingFeature: a module is missing.
    """
    python = Path(sys.executable).resolve()
    files = [python, *_used_by(python)]
    archive = _Archive()
    for each in [*files, *_libraries(files)]:
        archive.add(str(each), PROGRAM, each.read_bytes(), int(each.stat().st_mtime))
    for number, file in enumerate(Modules(modules).files(NEEDED)):
        archive.add(f"{early.MODULES}/{number:02}.ko", PROGRAM, _module(Path(modules, file)))
    code = Path(early.__file__).read_bytes()
    archive.add("/init", PROGRAM, b"#!%s -ISB\n%s" % (str(python).encode(), code))
    archive.add("/start", PROGRAM, str(start).encode())
    archive.add("/dev/console", CONSOLE, device=CONSOLE_DEVICE)
    archive.folder(early.ROOT)
    return archive.end()


class _Archive:
    """A cpio archive of the "newc" format."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._names: set[str] = set()

    def folder(self, path: str) -> None:
        """Add a folder and those that it is in, once."""
        for each in (*reversed(Path(path).parents[:-1]), Path(path)):
            if str(each) not in self._names:
                self._entry(str(each), FOLDER)

    def add(
        self,
        path: str,
        mode: int,
        data: bytes = b"",
        modified: int = 0,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        """Add a file that is not in it yet."""
        if path not in self._names:
            self.folder(str(Path(path).parent))
            self._entry(path, mode, data, modified, device)

    def end(self) -> bytes:
        """Return the whole archive."""
        self._entry("/TRAILER!!!", 0)
        return bytes(self._data)

    def _entry(
        self,
        path: str,
        mode: int,
        data: bytes = b"",
        modified: int = 0,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        self._names.add(path)
        name = path.lstrip("/").encode() + b"\0"
        fields = (len(self._names), mode, 0, 0, 1, modified, len(data), 0, 0, *device, len(name), 0)
        self._data += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        self._pad()
        self._data += data
        self._pad()

    def _pad(self) -> None:
        self._data += bytes(-len(self._data) % 4)


def _used_by(python: Path) -> list[Path]:
    listed = _output([str(python), "-IS", "-c", USED])
    return [path for line in listed if line and (path := Path(line)).is_file()]


def _libraries(files: Iterable[Path]) -> list[Path]:
    """The shared libraries of programs and modules, under the names that the loader looks for."""
    binaries = [str(file) for file in files if file.read_bytes()[:4] == b"\x7fELF"]
    found = (LIBRARY.search(line) for line in _output(["ldd", *binaries]))
    return [Path(match[1]) for match in found if match]


def _module(file: Path) -> bytes:
    data = file.read_bytes()
    if file.suffix == ".xz":
        return lzma.decompress(data)
    if file.suffix != ".ko":
        raise MissingFeature(
            f"module {file.stem}",
            found=f"it is compressed as {file.suffix}, which labkit cannot read",
            remedy="name another kernel: LABKIT_QEMU_KERNEL=/boot/vmlinuz-…",
        )
    return data


def _output(argv: Sequence[str]) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return [line.strip() for line in done.stdout.splitlines()]
