"""Programs of the user's own in pods: started, waited for, logged, ended with the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from labkit.cluster.model import Container, Pod, Protocol
from labkit.errors import LabError, UsageError
from labkit.kernel.daemon import Daemon, until
from labkit.kernel.netns import Namespace
from labkit.kernel.tools import which

START_DEADLINE_S: Final = 10.0
"""How long a program may take to listen on the ports that its container declares."""
LISTEN: Final = {Protocol.TCP: ("tcp", "0A"), Protocol.UDP: ("udp", "07")}
"""File under /proc/net and state of a socket that takes what comes (proc_net_tcp(5))."""


class Program:
    """One container's program."""

    def __init__(self, pod: Pod, container: Container, namespace: Namespace) -> None:
        self.where = f"{pod.name}/{container.name}"
        self.container = container
        self._namespace = namespace
        if which(container.command[0]) is None:
            raise UsageError(
                f"pod {pod.name}: command {container.command[0]} is no program of this machine;"
                " install it, or leave command out for the built-in responder"
            )
        self._daemon = Daemon(self.where, namespace, container.command, env=container.env)

    def wait_until_it_listens(self) -> None:
        """Return once every declared TCP and UDP port has a listener.

        Raises:
            LabError: the program ended, or the deadline passed; with the last lines of its log.
        """
        wanted = {
            (port.protocol, port.port) for port in self.container.ports if port.protocol in LISTEN
        }
        if not until(
            lambda: wanted <= self._namespace.run(_listening),
            [self._daemon],
            within_s=START_DEADLINE_S,
        ):
            ports = ", ".join(f"{port}/{protocol}" for protocol, port in sorted(wanted))
            raise LabError(
                f"{self.where} does not listen on {ports} after {START_DEADLINE_S:.0f} s"
                + self._daemon.last_words()
            )

    def log(self) -> str:
        """Everything that the program has written so far."""
        return self._daemon.log()

    def close(self) -> None:
        """End the program and wait until it is gone."""
        self._daemon.close()


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
