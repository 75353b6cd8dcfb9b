"""Names of a lab's namespaces in /run/netns, where `ip netns exec` looks for them.

Only for who asks for it: nothing else of labkit's is written outside of its own directory. A name
is a symbolic link to the holder's descriptor and not a mount, as `ip netns attach` would make one:
a mount would keep the namespace when the holder is gone. A link keeps nothing and leads nowhere
then. What is linked is written down first, so a holder that is killed leaves no link that nobody
knows: a process that waits for its end removes them, and whoever looks for labs does, too.

Source: iproute2 6.1 lib/namespace.c, netns_switch and netns_get_fd; proc(5) /proc/pid/fd;
pidfd_open(2).
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from labkit.errors import KernelError, UsageError
from labkit.holder.state import NETNS, NEW, Folder

PLACE: Final = Path("/run/netns")


class NetnsNames:
    """The names of one lab, which the process that holds it links and changes."""

    def __init__(self, folder: Folder, lab: str) -> None:
        """Take a lab that has no names yet.

        Args:
            folder: where labs are.
            lab: its name, which begins all of its hosts'.
        """
        self._folder = folder
        self._lab = lab
        self._linked: dict[str, str] = {}

    def become(self, hosts: Mapping[str, int]) -> None:
        """Have a name for each host, and no others.

        Args:
            hosts: descriptors of their network namespaces, which this process keeps open.

        Raises:
            UsageError: another's name is in the way.
            KernelError: /run/netns cannot be written.
        """
        wanted = {
            link_name(self._lab, host): f"/proc/{os.getpid()}/fd/{fd}" for host, fd in hosts.items()
        }
        gone = [name for name, to in self._linked.items() if wanted.get(name) != to]
        try:
            made = _made(PLACE)
            _note(self._folder, self._lab, {**self._linked, **wanted}, made_folder=made)
            for name in gone:
                (PLACE / name).unlink(missing_ok=True)
                del self._linked[name]
            for name, to in wanted.items():
                if name not in self._linked:
                    (PLACE / name).symlink_to(to)
                    self._linked[name] = to
        except FileExistsError as error:
            raise UsageError(
                f"{error.filename2} is there already; give the lab another name with --name, or"
                " remove it"
            ) from None
        except OSError as error:
            raise KernelError(
                f"write {PLACE}", errno=error.errno or 0, message=error.strerror or str(error)
            ) from error


def link_name(lab: str, host: str) -> str:
    """The name of a host in /run/netns: no lab's or host's own name has a colon."""
    return f"{lab}:{host.replace('/', ':')}"


def remove(folder: int, lab: str) -> None:
    """Remove the names of a lab that is gone, as far as they still are its own.

    Args:
        folder: the directory of labs.
        lab: its name.
    """
    file = lab + NETNS
    with suppress(FileNotFoundError):
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
        with os.fdopen(descriptor, encoding="utf-8") as noted:
            made, *lines = noted.read().splitlines()
        for line in lines:
            name, _, to = line.partition(" ")
            link = PLACE / name
            with suppress(OSError):
                if str(link.readlink()) == to:
                    link.unlink()
        if made == "made":
            with suppress(OSError):  # somebody else has a name there now
                PLACE.rmdir()
        os.unlink(file, dir_fd=folder)


def watch(folder: Folder, *not_its: int) -> None:
    """Start a process that removes the names when this one has ended, however it ends.

    It must be called while this process has one thread.

    Args:
        folder: where labs are.
        not_its: descriptors that say that this process is there: the lock of the lab is one.
    """
    holder = os.pidfd_open(os.getpid())
    if os.fork():
        os.close(holder)
        return
    try:
        for each in not_its:
            os.close(each)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        select.select([holder], [], [])
        folder.labs()
    finally:
        os._exit(0)


def _made(place: Path) -> bool:
    """Whether the directory had to be made; /run/netns itself is made as ip-netns(8) does."""
    with suppress(FileExistsError):
        place.mkdir(mode=0o755)
        return True
    return False


def _note(folder: Folder, lab: str, links: Mapping[str, str], *, made_folder: bool) -> None:
    """Write down what is to be linked: in one step, so that what was written before stays."""
    file, new = lab + NETNS, lab + NETNS + NEW
    kept = made_folder
    with suppress(FileNotFoundError):
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder.fd)
        with os.fdopen(descriptor, encoding="utf-8") as noted:
            kept = kept or noted.readline() == "made\n"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600, dir_fd=folder.fd)
    with os.fdopen(descriptor, "w", encoding="utf-8") as noted:
        noted.write("made\n" if kept else "found\n")
        noted.writelines(f"{name} {to}\n" for name, to in links.items())
    os.replace(new, file, src_dir_fd=folder.fd, dst_dir_fd=folder.fd)
