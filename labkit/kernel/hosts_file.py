"""The /etc/hosts that programs in a lab's hosts see: one file in memory, for all of them.

It is mounted over the machine's in the mount namespace that those of all hosts are copied from, so
one write changes what every host reads. The machine's own file is read and never written.

Source: mount(2) MS_BIND, umount2(2) MNT_DETACH, hosts(5).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

ETC_HOSTS: Final = "/etc/hosts"
PLACE: Final = "/run"
"""Where the file is made: it is hidden only while that is done."""

Mount = Callable[[str, str, str | None, int], None]
MS_BIND: Final = 0x1000


class HostsFile:
    """Owns the file, once it is mounted, and knows what it is to say."""

    def __init__(self) -> None:
        self._text = ""
        self._fd = -1

    def write(self, text: str) -> None:
        """Have the file say ``text``, from now on or from when it is mounted."""
        self._text = text
        if self._fd >= 0:
            content = text.encode()
            # In this order no reader finds it empty.
            os.pwrite(self._fd, content, 0)
            os.ftruncate(self._fd, len(content))

    def mount(self, mount: Mount, unmount: Callable[[str], None]) -> None:
        """Mount the file in this thread's mount namespace; a machine without one stays without.

        Raises:
            KernelError: the kernel refused.
        """
        if not Path(ETC_HOSTS).exists():
            return
        mount("tmpfs", PLACE, "tmpfs", 0)
        try:
            file = f"{PLACE}/hosts"
            self._fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            os.fchmod(self._fd, 0o644)
            self.write(self._text)
            mount(file, ETC_HOSTS, None, MS_BIND)
        finally:
            unmount(PLACE)

    def close(self) -> None:
        """Let go of the file; it goes with the last mount namespace."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def machine_hosts() -> str:
    """What the machine's own file says; nothing if it has none."""
    with suppress(OSError):
        return Path(ETC_HOSTS).read_text(encoding="utf-8", errors="replace")
    return ""
