"""Starts the process that holds a lab, and waits until the lab is there.

The lab's file is read and its name is taken before fork(2); namespaces, threads and everything
else come after it, in the process that stays. That tells over a socket what it has built or what
went wrong, and stays only if it is told to.

Source: setsid(2), fork(2), daemon(7).
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from labkit.errors import LabError, LabkitError, UsageError
from labkit.holder.netns_names import NetnsNames, watch
from labkit.holder.protocol import (
    Answer,
    Description,
    Failure,
    answer_from,
    error_of,
    failure_of,
    line_of,
    read_line,
)
from labkit.holder.state import Folder
from labkit.lab.lab import Lab
from labkit.lab.runs import Request, lab_of
from labkit.manifest.names import host

STANDARD: Final = (0, 1, 2)
STAY: Final = b"stay"


@contextmanager
def start(
    folder: Folder,
    name: str,
    request: Request,
    meanwhile: Callable[[], AbstractContextManager[None]] = nullcontext,
    *,
    netns_names: bool = False,
) -> Iterator[Description]:
    """Build a lab in a process of its own and give what it is to a block of code.

    If that ends well, the lab stays; else, and if this process is killed before, it goes.

    Args:
        folder: where labs are.
        name: what to call it.
        request: what to build.
        meanwhile: entered while this process waits for the lab.
        netns_names: whether its namespaces get names in /run/netns.

    Raises:
        UsageError: the name is taken, or none.
        MissingFeature: this kernel lacks something that the lab needs.
        LabkitError: the lab cannot be built; nothing is left of it.
    """
    if remedy := host(name):
        raise UsageError(f"--name {name!r} is no name of a lab; {remedy}")
    lab = lab_of(request)
    lock = folder.claim(name)
    if lock is None:
        raise UsageError(
            f"lab {name} runs already; end it with labkit down {name}, or give this one another"
            " name with --name"
        )
    mine, its = socket.socketpair()
    holder = os.fork()
    if not holder:
        mine.close()
        names = NetnsNames(folder, name) if netns_names else None
        _hold(Hold(folder, name, lock, its), request, lab, names)
    its.close()
    os.close(lock)
    with mine:
        try:
            with meanwhile():
                said = read_line(mine)
            yield _description(name, holder, said)
            mine.sendall(STAY)
        except BaseException:  # it cannot be built, or nobody waits for it any more
            os.kill(holder, signal.SIGKILL)
            os.waitpid(holder, 0)
            folder.labs()
            raise


class Hold(NamedTuple):
    """What the process that is to hold a lab was given."""

    folder: Folder
    name: str
    lock: int
    starter: socket.socket


def _hold(hold: Hold, request: Request, lab: Lab, names: NetnsNames | None) -> NoReturn:
    """Be the process that holds a lab: build it, say so, serve it, and end."""
    try:
        _detach(keep=(hold.lock, hold.starter.fileno(), hold.folder.fd))
        hold.folder.sign(hold.lock)
        if names:
            watch(hold.folder, hold.lock, hold.starter.fileno())
        _serve(hold, request, lab, names)
    except LabkitError as error:
        _say(hold.starter, failure_of(error))
    except BaseException as error:  # noqa: BLE001 - there is nobody else to tell
        kind = type(error).__name__
        _say(hold.starter, failure_of(LabError(f"lab {hold.name} failed: {kind}: {error}")))
    finally:
        hold.folder.release(hold.name)
        os._exit(0)


def _serve(hold: Hold, request: Request, lab: Lab, names: NetnsNames | None) -> None:
    from labkit.holder.holder import Holder
    from labkit.holder.server import serve

    with lab, hold.folder.listen(hold.name) as listener:
        holder = Holder(hold.name, lab, request, names)
        hold.starter.sendall(line_of(holder.description()))
        if hold.starter.recv(len(STAY)) != STAY:
            return
        hold.starter.close()
        serve(holder, listener)


def _detach(keep: Sequence[int]) -> None:
    """Leave the terminal, the caller's signals and every open file but those of ``keep``."""
    os.setsid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in STANDARD:
        os.dup2(nothing, descriptor)
    kept = {*STANDARD, *keep}
    for each in Path("/proc/self/fd").iterdir():
        if int(each.name) not in kept:
            with suppress(OSError):  # that of this very list
                os.close(int(each.name))


def _say(starter: socket.socket, answer: Answer) -> None:
    with suppress(OSError):
        starter.sendall(line_of(answer))


def _description(name: str, holder: int, said: bytes) -> Description:
    answer = answer_from(said) if said else None
    if isinstance(answer, Description):
        return answer
    if isinstance(answer, Failure):
        raise error_of(answer)
    ended = os.waitid(os.P_PID, holder, os.WEXITED | os.WNOWAIT)
    how = f" by {signal.Signals(ended.si_status).name}" if ended and ended.si_status else ""
    raise LabError(
        f"lab {name} is not up: its process was ended{how} while it built the lab; build it again"
        " with labkit up"
    )
