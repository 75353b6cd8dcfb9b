"""Lets a lab of this very process be asked by its name, as those that stay are."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from labkit.errors import LabError
from labkit.holder.holder import Holder
from labkit.holder.server import serve_until
from labkit.holder.state import Folder, open_folder
from labkit.lab.lab import Lab
from labkit.lab.runs import Request

MOST_NAMES: Final = 100


@contextmanager
def served(lab: Lab) -> Iterator[str]:
    """Give the name by which a running lab can be asked for the time of a ``with`` block.

    It is the lab's own, with a number if that is taken. Who ends it with `labkit down` ends this
    process.

    Raises:
        UsageError: the directory of labs is not to be used.
    """
    with open_folder() as folder:
        name, lock = _claimed(folder, lab.scenario.lab.metadata.name)
        wake, alarm = socket.socketpair()
        try:
            with wake, alarm, folder.listen(name) as listener:
                folder.sign(lock)
                holder = Holder(name, lab, Request(scenario=lab.scenario))
                thread = threading.Thread(
                    target=serve_until, args=(holder, listener, wake), name=f"labkit {name}"
                )
                thread.start()
                try:
                    yield name
                finally:
                    alarm.send(b"!")
                    thread.join()
        finally:
            folder.release(name)
            os.close(lock)


def _claimed(folder: Folder, own: str) -> tuple[str, int]:
    for number in range(1, MOST_NAMES + 1):
        name = own if number == 1 else f"{own}-{number}"
        if (lock := folder.claim(name)) is not None:
            return name, lock
    raise LabError(f"{MOST_NAMES} labs are called {own}; end some of them with labkit down")
