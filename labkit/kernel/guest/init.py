"""The first process of a guest kernel: mounts, modules, then the command, then the end.

It is started as a module and told how to mount the exchange. It imports little: every file that
Python opens costs a guest ten times what it costs the host.

Source: bootparam(7), mount(2), reboot(2), Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final, NoReturn

from labkit.kernel.guest import exchange
from labkit.kernel.guest.exchange import INSIDE, Request
from labkit.kernel.guest.modules import Modules

OWN: Final = "/dev/labkit"
"""The guest's own scratch: /dev is in memory, and tools that labkit starts see it."""
HIDDEN: Final = ("/dev", "/proc", "/run", "/sys")
"""Where the guest has files of its own instead of the host's."""
MODPROBE: Final = f"{OWN}/modprobe"
POWER_OFF: Final = 0x4321FEDC
CTRL_ALT_DEL_IS_A_SIGNAL: Final = 0
MOST_FILES: Final = 1 << 20
"""Linux' fs.nr_open."""
FAILED: Final = 70
"""Exit status where the guest itself failed: EX_SOFTWARE of sysexits.h."""

_libc = ctypes.CDLL(None, use_errno=True)
_console = os.dup(2)


def main(source: str, kind: str, options: str) -> NoReturn:
    """Run the request that the exchange holds, and switch the machine off.

    The arguments say how to mount the exchange.
    """
    _mount("proc", "/proc", "proc")
    _mount("sysfs", "/sys", "sysfs")
    _mount("tmpfs", "/run", "tmpfs")
    _mount("devtmpfs", "/dev", "devtmpfs")
    os.makedirs(INSIDE)  # noqa: PTH103 - no pathlib
    os.makedirs(OWN)  # noqa: PTH103
    _mount(source, INSIDE, kind, options)
    _be_alive()
    request = exchange.read_request(INSIDE)
    _take_streams()
    _load_modules(request)
    _make_temporary_files_possible()
    _loopback_up()
    _allow_many_files()
    _libc.reboot(CTRL_ALT_DEL_IS_A_SIGNAL)
    waited = {signal.SIGCHLD, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    child = os.fork()
    if not child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, waited)
        _run(request)
    _end(_wait_for(child, waited))


def _wait_for(child: int, waited: set[signal.Signals]) -> int:
    """Reap whatever ends, pass signals on, and return the status of ``child``."""
    heard = 0
    while True:
        signal.sigtimedwait(waited, exchange.ALIVE_EVERY_S)
        _be_alive()
        # The host may have no way to ring; so it is looked for at every beat too.
        if not heard and (heard := _asked_signal()):
            os.kill(child, heard)
        while True:
            try:
                ended, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return FAILED
            if ended == child:
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
            if not ended:
                break


def _run(request: Request) -> NoReturn:
    """Be the command: the interpreter is here already."""
    import runpy

    os.setsid()
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.cwd)
    sys.path[:] = request.path
    module, *arguments = request.argv
    sys.argv = [module, *arguments]
    if module != "labkit":
        # pytest warns of plugins that were imported before it.
        for name in [each for each in sys.modules if each.partition(".")[0] == "labkit"]:
            del sys.modules[name]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit(0)


def _take_streams() -> None:
    nothing = os.open("/dev/null", os.O_RDONLY)
    os.dup2(nothing, 0)
    for number, name in ((1, exchange.STDOUT), (2, exchange.STDERR)):
        stream = os.open(f"{INSIDE}/{name}", os.O_WRONLY | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)


def _load_modules(request: Request) -> None:
    refused = Modules(request.modules).load(request.wanted)
    for each in refused:
        _say(f"labkit: module {each}\n")
    # For all that is not loaded here: the kernel asks for it by name.
    version = request.modules.rpartition("/")[2]
    os.makedirs(f"{OWN}/lib/modules")  # noqa: PTH103
    os.symlink(request.modules, f"{OWN}/lib/modules/{version}")  # noqa: PTH211
    _write(MODPROBE, f'#!/bin/sh\nexec /sbin/modprobe -d {OWN} "$@"\n')
    os.chmod(MODPROBE, 0o700)  # noqa: PTH101
    _write("/proc/sys/kernel/modprobe", MODPROBE)


def _make_temporary_files_possible() -> None:
    """Lay memory over /tmp: what is there can be read, and what is written is gone afterwards."""
    _mount("tmpfs", "/dev/shm", "tmpfs", make=True)  # noqa: S108 - POSIX' own
    for name in ("upper", "work"):
        os.makedirs(f"/dev/shm/tmp/{name}")  # noqa: PTH103, S108
    layers = "lowerdir=/tmp,upperdir=/dev/shm/tmp/upper,workdir=/dev/shm/tmp/work"
    _mount("overlay", "/tmp", "overlay", layers)  # noqa: S108
    os.chmod("/tmp", 0o1777)  # noqa: PTH101, S103, S108 - as it always is


def _loopback_up() -> None:
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


def _allow_many_files() -> None:
    """A lab holds two descriptors a host; the kernel's own limit is 4,096."""
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_FILES, MOST_FILES))


def _be_alive() -> None:
    alive = os.open(f"{INSIDE}/{exchange.ALIVE}", os.O_WRONLY | os.O_APPEND)
    os.write(alive, b".")
    os.close(alive)


def _asked_signal() -> int:
    with open(f"{INSIDE}/{exchange.SIGNAL}", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read() or 0)


def _end(status: int) -> NoReturn:
    _write(f"{INSIDE}/{exchange.STATUS}.new", str(status))
    os.rename(f"{INSIDE}/{exchange.STATUS}.new", f"{INSIDE}/{exchange.STATUS}")  # noqa: PTH104
    _libc.reboot(POWER_OFF)
    os._exit(status)


def _mount(source: str, target: str, kind: str, data: str = "", *, make: bool = False) -> None:
    if make:
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
    if _libc.mount(source.encode(), target.encode(), kind.encode(), 0, data.encode()):
        _say(f"labkit: mount {target}: {os.strerror(ctypes.get_errno())}\n")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)


def _say(text: str) -> None:
    """To the console, which the host keeps for when the guest dies."""
    os.write(_console, text.encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
