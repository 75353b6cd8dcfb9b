"""Where labs that stay are found: one private directory, with a lock and a socket for each lab.

The process that holds a lab keeps an flock(2) on `NAME.lock`, which the kernel drops when that
process ends, however it ends: whether a lab runs is never a matter of what a file says. Everybody
who takes such a lock or removes a file holds the lock of the directory meanwhile.

Imported by `labkit exec`, so it imports little.
Source: the XDG Base Directory Specification, $XDG_RUNTIME_DIR; flock(2); unix(7).
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from contextlib import contextmanager, suppress

from labkit.errors import LabError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Final, Self

LOCK: Final = ".lock"
SOCKET: Final = ".sock"
NETNS: Final = ".netns"
"""What a lab has linked in /run/netns, see `labkit.holder.netns_names`; most have nothing."""
NEW: Final = ".new"
"""The end of a file that is being written, and takes the place of another then."""
PRIVATE: Final = 0o700
BACKLOG: Final = 128


class Folder:
    """The directory of one user's labs, held open by ``fd``."""

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_unused: object) -> None:
        os.close(self.fd)

    def labs(self) -> list[str]:
        """Return the names of labs that run or are just being built; what dead ones left goes."""
        with self._alone():
            names = [each.removesuffix(LOCK) for each in os.listdir(self.fd) if _is_lock(each)]  # noqa: PTH208 - of a descriptor
            return sorted(name for name in names if not self._swept(name))

    def claim(self, name: str) -> int | None:
        """Take a name; return the descriptor that keeps it while it is open, None if it is taken.

        It survives fork(2), and is closed in programs.
        """
        with self._alone():
            lock = self._lock(name, os.O_CREAT)
            if lock is not None:
                self._clear(name)
                os.ftruncate(lock, 0)
            return lock

    def sign(self, lock: int) -> None:
        """Write this process' number into its lock, for `holder_of`."""
        os.pwrite(lock, str(os.getpid()).encode(), 0)

    def holder_of(self, name: str) -> int | None:
        """Return a descriptor of the process that holds a lab (pidfd_open(2)), None if none does.

        Raises:
            LabError: the lab has only just been asked for, and nobody is known yet.
        """
        with self._alone():
            if self._swept(name):
                return None
            with _opened(name + LOCK, os.O_RDONLY, self.fd) as lock:
                said = os.read(lock, 32)
            if not said:
                raise LabError(f"lab {name} is just being built; ask again")
            with suppress(ProcessLookupError):
                process = os.pidfd_open(int(said))
                # Still held: so the number is still that of the holder.
                if not self._swept(name):
                    return process
                os.close(process)
        return None

    def release(self, name: str) -> None:
        """Remove what is there of a lab, as the process that holds it."""
        with self._alone():
            self._clear(name)
            self._unlink(name + LOCK)

    def listen(self, name: str) -> socket.socket:
        """Return the socket that a lab is asked at, as the process that holds it."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(self._address(name))
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def connect(self, name: str) -> socket.socket:
        """Return a connection to the process that holds a lab.

        Raises:
            UsageError: no lab of that name runs; with those that do.
            LabError: it is still being built.
        """
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(self._address(name))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            if name in (labs := self.labs()):
                raise LabError(f"lab {name} is just being built or taken down; ask again") from None
            raise no_lab(name, labs) from None
        return connection

    def _address(self, name: str) -> str:
        # Through the open directory: a path of any length fits, and it is the one that was checked.
        return f"/proc/self/fd/{self.fd}/{name}{SOCKET}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self.fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self.fd, fcntl.LOCK_UN)

    def _swept(self, name: str) -> bool:
        """Whether nobody holds a lab; what is left of it is removed then."""
        try:
            lock = self._lock(name)
        except FileNotFoundError:
            return True
        if lock is None:
            return False
        self._clear(name)
        self._unlink(name + LOCK)
        os.close(lock)
        return True

    def _clear(self, name: str) -> None:
        """Remove what is there of a lab but its lock, which is held."""
        self._unlink(name + SOCKET)
        self._unlink(name + NETNS + NEW)
        try:
            os.stat(name + NETNS, dir_fd=self.fd)
        except FileNotFoundError:
            return
        from labkit.holder.netns_names import remove

        remove(self.fd, name)

    def _lock(self, name: str, flags: int = 0) -> int | None:
        lock = os.open(name + LOCK, os.O_RDWR | os.O_CLOEXEC | flags, 0o600, dir_fd=self.fd)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return lock

    def _unlink(self, file: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(file, dir_fd=self.fd)


def open_folder() -> Folder:
    """Return the directory of this user's labs; it is made if it is not there.

    Raises:
        UsageError: it is another user's, or open to others.
    """
    path = _path()
    try:
        with suppress(FileExistsError):
            os.mkdir(path, PRIVATE)  # noqa: PTH102 - pathlib costs more than all of this
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; {_remedy()}") from error
    found = os.fstat(folder)
    wrong = ""
    if found.st_uid != os.geteuid():
        wrong = "belongs to another user"
    elif stat.S_IMODE(found.st_mode) & ~PRIVATE:
        wrong = f"is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
    if wrong:
        os.close(folder)
        raise UsageError(f"{path} {wrong}; {_remedy()}")
    return Folder(path, folder)


def no_lab(name: str, labs: Sequence[str]) -> UsageError:
    """The error for a lab that does not run: which one was likely meant, and what to do."""
    from labkit.manifest.problems import nearest

    none = "none runs: labkit up FILE"
    return UsageError(f"no lab {name} runs; {nearest(name, labs, none=none)}")


def _path() -> str:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(given):  # noqa: PTH117 - pathlib costs more than all of this
        with suppress(OSError):
            # Not another user's, whose variable sudo or su has kept.
            if os.stat(given).st_uid == os.geteuid():  # noqa: PTH116
                return f"{given}/labkit"
    return f"{os.environ.get('TMPDIR') or '/tmp'}/labkit-{_user()}"  # noqa: S108 - checked below


def _user() -> int:
    """This user's number outside of the user namespace that labkit makes for it.

    Source: user_namespaces(7): unshare --map-root-user maps one user alone.
    """
    with open("/proc/self/uid_map", encoding="ascii") as file:  # noqa: PTH123
        inside, outside, count = file.readline().split()
    mine = os.geteuid()
    return int(outside) if (int(inside), int(count)) == (mine, 1) else mine


def _remedy() -> str:
    return "set XDG_RUNTIME_DIR to a directory of your own"


def _is_lock(file: str) -> bool:
    return file.endswith(LOCK)


@contextmanager
def _opened(file: str, flags: int, folder: int) -> Iterator[int]:
    descriptor = os.open(file, flags | os.O_CLOEXEC, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
