"""The very first program of a virtual machine: finds the host's files and goes on there.

It runs in the initial RAM disk, where there are this file, the interpreter and little else; so it
imports nothing of labkit. What ``/start`` names is the first process from then on.

Source: Documentation/filesystems/ramfs-rootfs-initramfs.rst and 9p.rst of the kernel; mount(2).
"""

from __future__ import annotations

import ctypes
import os

MODULES = "/modules"
ROOT = "/root"
OPTIONS = "trans=virtio,version=9p2000.L,msize=524288,cache=loose"
MS_RDONLY, MS_MOVE = 1, 8192
FINIT_MODULE = {"x86_64": 313, "aarch64": 273}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(failed: int, what: str) -> None:
    """Stop with a reason, which the host finds on the console."""
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def main() -> None:
    """Load the modules in their order, mount the host's root, and go on there."""
    number = FINIT_MODULE[os.uname().machine]
    for name in sorted(os.listdir(MODULES)):  # noqa: PTH208 - pathlib is not there
        module = os.open(f"{MODULES}/{name}", os.O_RDONLY)
        _check(_libc.syscall(number, module, b"", 0), name)
        os.close(module)
    with open("/start", encoding="utf-8") as file:  # noqa: PTH123
        first = file.read()
    _check(_libc.mount(b"root", ROOT.encode(), b"9p", MS_RDONLY, OPTIONS.encode()), ROOT)
    os.chdir(ROOT)
    _check(_libc.mount(b".", b"/", None, MS_MOVE, None), "/")
    os.chroot(".")
    os.chdir("/")
    os.execv(first, [first])  # noqa: S606


if __name__ == "__main__":
    main()
