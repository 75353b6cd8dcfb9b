"""Runs labkit, or a few lines of Python, in a guest, and looks at what is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from labkit.kernel.guest.exchange import Kind

ROOT: Final = Path(__file__).parent.parent.parent
RUN: Final = """
import sys
from pathlib import Path
from labkit.errors import LabkitError
from labkit.kernel.guest import launch
from labkit.kernel.guest.choose import machine
launch.SILENCE_LIMIT_S = 4.0
kind, folder, *results = sys.argv[1:]
sys.path.insert(0, folder)
try:
    sys.exit(launch.run_in_guest(machine(kind), ["guest_task"], results=map(Path, results)))
except LabkitError as error:
    sys.exit(f"labkit: {error}")
except KeyboardInterrupt:
    sys.exit(130)
"""

Process = subprocess.Popen[str]


def start_task(
    folder: Path,
    code: str,
    *results: Path,
    kind: Kind = "uml",
    env: Mapping[str, str] | None = None,
) -> Process:
    """Start Python code as the command of a guest."""
    (folder / "guest_task.py").write_text(code)
    command = [sys.executable, "-c", RUN, kind, str(folder), *map(str, results)]
    return start(command, folder=folder, env=env)


def start_labkit(*arguments: str, env: Mapping[str, str] | None = None) -> Process:
    return start([sys.executable, "-m", "labkit", *arguments], env=env)


def run_task(
    folder: Path,
    code: str,
    *results: Path,
    kind: Kind = "uml",
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return finish(start_task(folder, code, *results, kind=kind, env=env))


def run_labkit(
    *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return finish(start_labkit(*arguments, env=env))


def finish(process: Process) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start(
    command: Sequence[str], *, folder: Path = ROOT, env: Mapping[str, str] | None = None
) -> Process:
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: Process) -> str:
    """Wait for the first line of its stdout."""
    if process.stdout is None:
        raise RuntimeError("started without a pipe")
    return process.stdout.readline()


def descendants(pid: int) -> dict[int, str]:
    """Processes below this one, by the kernel's name for their program."""
    found: dict[int, str] = {}
    parents = {each: status for each in _pids() if (status := _status(each))}
    wanted = {pid}
    while wanted:
        wanted = {each for each, (parent, _) in parents.items() if parent in wanted}
        found.update({each: parents[each][1] for each in wanted})
    return found


def alive(pids: Mapping[int, str]) -> dict[int, str]:
    """Those that still run."""
    return {pid: name for pid, name in pids.items() if (now := _status(pid)) and now[1] == name}


def until(holds: Callable[[], bool], *, deadline_s: float = 10.0) -> bool:
    """Poll with a deadline: for what happens in processes that nothing tells of."""
    end = time.monotonic() + deadline_s
    wait = threading.Event()
    while not holds():
        if time.monotonic() > end:
            return False
        wait.wait(0.02)
    return True


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit()]


def _status(pid: int) -> tuple[int, str] | None:
    """Parent and name of a process; None if it is dead."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name, _, rest = text.partition("(")[2].rpartition(")")
    state, parent, *_ = rest.split()
    return None if state in "ZX" else (int(parent), name)
