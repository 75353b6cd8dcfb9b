"""Counts what labkit asks of the kernel: run as a program of its own, as audit hooks stay for good.

Usage: python counted.py pods NODES PODS, or python counted.py command WORDS...: prints JSON at the
end, in the last line.

Source: sys.addaudithook; https://docs.python.org/3/library/audit_events.html; netlink(7).
"""

from __future__ import annotations

import json
import socket
import sys
from collections import Counter
from typing import cast

from labkit.kernel.netlink import DUMP, HEADER
from labkit.kernel.netns import OWN_NET

COUNTS: Counter[str] = Counter()
PROGRAMS: list[str] = []
SCRIPT = "-c"
"""A shell checks that labkit lives, and becomes the tool: labkit.kernel.process, watched."""


def audit(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.__new__" and arguments[1] == socket.AF_NETLINK:
        COUNTS["netlink sockets"] += 1
    elif event == "open" and arguments[0] == OWN_NET:
        COUNTS["namespaces"] += 1
    elif event == "subprocess.Popen":
        words = list(map(str, cast("list[object]", arguments[1])))
        # Behind the script: the shell's parent, the working directory, the tool.
        PROGRAMS.append(words[words.index(SCRIPT) + 4] if SCRIPT in words else words[0])


class Counting(socket.socket):
    """Counts what is sent over netlink: system calls, and the messages in them."""

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        # Links are waited for by asking again and again, as often as it takes: dumps.
        if self.family == socket.AF_NETLINK and not _is_dump(data):
            COUNTS["sends"] += 1
            offset = 0
            while offset < len(data):
                COUNTS["messages"] += 1
                (length, *_) = HEADER.unpack_from(data, offset)
                offset += length + (-length % 4)
        return super().send(data, flags)


def _is_dump(data: bytes) -> bool:
    flags: int = HEADER.unpack_from(data)[2]
    return flags & DUMP == DUMP


def build(nodes: int, pods: int) -> None:
    from labkit.bench.lab.clusters import pod_cluster
    from labkit.kernel.netns import Edge
    from labkit.kernel.world import World

    with Edge() as edge:
        COUNTS.clear()  # the machine's own namespace was opened
        with World(edge, pod_cluster(nodes, pods)):
            pass


def main() -> None:
    what, *words = sys.argv[1:]
    socket.socket = Counting  # type: ignore[misc]
    sys.addaudithook(audit)
    if what == "pods":
        build(*map(int, words))
    else:
        from labkit.cli import cli
        from labkit.cli.ending import run_to_status

        COUNTS["status"] = run_to_status(cli, words)
    sys.stdout.write("\n" + json.dumps({**COUNTS, "programs": PROGRAMS}) + "\n")


if __name__ == "__main__":
    main()
