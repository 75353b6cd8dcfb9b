"""Makes this process one of a host's, for good: its namespaces, then another program.

Imported by `labkit exec`, so it imports little.
Source: setns(2), user_namespaces(7), execve(2).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from labkit.errors import CannotExecuteError, CommandNotFoundError, KernelError
from labkit.kernel.tools import how_to_get, search_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def join(*, net: int, mounts: int, user: int) -> None:
    """Enter namespaces by their descriptors; the working directory stays where they have it.

    Must be called in a process of one thread, which both mount and user namespaces ask for.

    Raises:
        KernelError: the kernel refused.
    """
    here = os.getcwd()  # noqa: PTH109 - pathlib costs more than all of this
    # First the user namespace of a lab without root: it gives the right to enter the others.
    if not os.path.samestat(os.fstat(user), os.stat("/proc/self/ns/user")):  # noqa: PTH116
        _enter(user)
    _enter(mounts)
    _enter(net)
    with suppress(OSError):
        os.chdir(here)


def become(argv: Sequence[str]) -> NoReturn:
    """Replace this process by a program.

    Raises:
        CommandNotFoundError: there is none of that name.
        CannotExecuteError: it is a file that cannot be run.
    """
    # Python ignores these, and a program would go on doing so.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    environment = {**os.environ, "PATH": search_path()}
    try:
        os.execvpe(argv[0], list(argv), environment)  # noqa: S606 - the user's own command
    except FileNotFoundError:
        raise CommandNotFoundError(
            f"{argv[0]} is no program of this machine; {how_to_get(argv[0])}"
        ) from None
    except OSError as error:
        raise CannotExecuteError(f"{argv[0]}: {error.strerror}") from None


def _enter(descriptor: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0):
        error = ctypes.get_errno()
        raise KernelError("enter a namespace", errno=error, message=os.strerror(error))
