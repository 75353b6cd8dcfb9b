"""Programs of the user's own in pods: started, waited for, logged, ended with the lab."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

from labkit.cluster.model import Container, Pod, Protocol
from labkit.errors import LabError, UsageError
from labkit.kernel.netns import Namespace
from labkit.kernel.tools import which

START_DEADLINE_S: Final = 10.0
"""How long a program may take to listen on the ports that its container declares."""
POLL_S: Final = 0.005
LOG_TAIL_LINES: Final = 5
LISTEN: Final = {Protocol.TCP: ("tcp", "0A"), Protocol.UDP: ("udp", "07")}
"""File under /proc/net and state of a socket that takes what comes (proc_net_tcp(5))."""


class Program:
    """One container's program. Its output goes to a file without a name, gone with the lab."""

    def __init__(self, pod: Pod, container: Container, namespace: Namespace) -> None:
        self.where = f"{pod.name}/{container.name}"
        self.container = container
        self._namespace = namespace
        if which(container.command[0]) is None:
            raise UsageError(
                f"pod {pod.name}: command {container.command[0]} is no program of this machine;"
                " install it, or leave command out for the built-in responder"
            )
        with ExitStack() as undo:
            self._log: IO[bytes] = undo.enter_context(tempfile.TemporaryFile())
            self._process = namespace.popen(
                container.command,
                env=container.env,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                own_pids=True,
            )
            undo.pop_all()

    def wait_until_it_listens(self) -> None:
        """Return once every declared TCP and UDP port has a listener.

        Raises:
            LabError: the program ended, or the deadline passed; with the last lines of its log.
        """
        deadline = time.monotonic() + START_DEADLINE_S
        wanted = {
            (port.protocol, port.port) for port in self.container.ports if port.protocol in LISTEN
        }
        while not wanted <= self._namespace.run(_listening):
            if self._ended():
                raise LabError(f"{self.where} ended with {self._process.returncode}{self._tail()}")
            if time.monotonic() > deadline:
                ports = ", ".join(f"{port}/{protocol}" for protocol, port in sorted(wanted))
                raise LabError(
                    f"{self.where} does not listen on {ports} after {START_DEADLINE_S:.0f} s"
                    + self._tail()
                )

    def log(self) -> str:
        """Everything that the program has written so far."""
        # pread, as the program writes through the same file offset.
        descriptor = self._log.fileno()
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")

    def close(self) -> None:
        """End the program and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _ended(self) -> bool:
        """Wait a moment for the end of the program: the poll's pause, cut short by news."""
        try:
            self._process.wait(timeout=POLL_S)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _tail(self) -> str:
        lines = self.log().splitlines()[-LOG_TAIL_LINES:]
        return "; its output ends: " + " | ".join(lines) if lines else "; it printed nothing"


def _listening() -> set[tuple[Protocol, int]]:
    """Ports with a listener in the namespace of the calling thread."""
    found: set[tuple[Protocol, int]] = set()
    for protocol, (name, state) in LISTEN.items():
        for family in ("", "6"):
            table = Path(f"/proc/thread-self/net/{name}{family}")
            if table.exists():
                found |= {(protocol, port) for port in _ports(table.read_text(), state)}
    return found


def _ports(table: str, state: str) -> set[int]:
    rows = [line.split() for line in table.splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == state}
