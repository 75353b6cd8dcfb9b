"""Other tools that take part: whether they are here, and the commands that get them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import Final

from labkit.bench.contest import GivenUp
from labkit.errors import LabError

SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""Debian's Mininet is installed for it."""
STAR: Final = Path(__file__).with_name("star.py")
ALONE: Final = (
    *("unshare", "--net", "--mount", "--uts", "--ipc"),
    *("--pid", "--mount-proc", "--fork", "--kill-child"),
    "--",
)
PATIENCE_S: Final = 600.0
SENTENCE: Final = 80
"""So much of what a tool says when it fails is told."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A Python package of others, and how it is installed."""

    module: str
    programs: tuple[str, ...]
    remedy: str


TOOLS: Final[Mapping[str, Tool]] = {
    "mininet": Tool(
        "mininet.net", ("brctl", "ping"), "apt-get install mininet bridge-utils iputils-ping"
    ),
    "munet": Tool("munet.parser", (), "pip install munet"),
}


@cache
def python_with(name: str) -> str | None:
    """Return the interpreter that has a tool, with the programs that it needs; None for none."""
    tool = TOOLS[name]
    ask = (
        f"import {tool.module}, shutil; "
        f"raise SystemExit(not all(map(shutil.which, {list(tool.programs)!r})))"
    )
    for python in dict.fromkeys((sys.executable, SYSTEM_PYTHON)):
        try:
            done = subprocess.run([python, "-c", ask], capture_output=True, check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return python
    return None


def run_alone(python: str, script: Path, words: Sequence[str]) -> Mapping[str, float]:
    """Run a script in network, mount and PID namespaces of its own; return the JSON it prints.

    Raises:
        GivenUp: it failed, with the last thing that it said.
        LabError: util-linux is missing.
    """
    # -P: a module of the script's folder must not stand in for one of the library's.
    command = [*ALONE, python, "-P", str(script), *words]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if python == sys.executable:
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=PATIENCE_S,
        )
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is not on PATH; apt-get install util-linux") from error
    except subprocess.TimeoutExpired as error:
        raise GivenUp(f"not done after {PATIENCE_S:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        why = shorten(said[-1], SENTENCE, placeholder=" …") if said else ""
        raise GivenUp(f"it failed: {why or f'status {done.returncode}'}")
    found: Mapping[str, float] = json.loads(done.stdout)
    return found
