"""One tool in each of many namespaces, all at the same time.

Source: memfd_create(2).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from labkit.errors import CommandError
from labkit.kernel.netns import Namespace
from labkit.kernel.process import Process


class Tool(NamedTuple):
    """A short-lived program in a namespace, and what it reads."""

    namespace: Namespace
    argv: tuple[str, ...]
    stdin: str


def run_together(tools: Sequence[Tool]) -> list[CommandError]:
    """Start every tool, then wait for all; return what failed, in the order of ``tools``."""
    running: list[tuple[Tool, Process]] = []
    try:
        for tool in tools:
            running.append((tool, _start(tool)))
    finally:
        # Every one that was started is waited for, also when a later one could not be.
        failures = [failure for each in running if (failure := _finish(*each))]
    return failures


def _start(tool: Tool) -> Process:
    # A file in memory and not a pipe: nobody has to feed a tool while another one is waited for.
    stdin = os.memfd_create(f"labkit {tool.argv[0]}")
    with os.fdopen(stdin, "wb+") as file:
        file.write(tool.stdin.encode())
        file.seek(0)
        return tool.namespace.start_tool(tool.argv, stdin=file, stdout=subprocess.DEVNULL)


def _finish(tool: Tool, process: Process) -> CommandError | None:
    _, error = process.communicate()
    if not process.returncode:
        return None
    return CommandError(
        tool.argv,
        where=tool.namespace.name,
        returncode=process.returncode,
        stderr=error.decode(errors="replace"),
        stdin=tool.stdin,
    )
