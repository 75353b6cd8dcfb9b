"""Labs that stay: `labkit up` and `labkit exec` as whole processes, beside what they are made of.

`up` is beside the lab alone, built in a process that has imported everything; `exec` beside the
start of Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labkit.bench.contest import Case, Contestant, Notebook, Rounds, Tell, Turn, chosen
from labkit.bench.results import Metric
from labkit.errors import LabError
from labkit.lab.lab import Lab

PROCESS: Final = Metric("whole process", "s")
NODES: Final = 2
HELD: Final = "measured"
LABELS: Final[Mapping[str, str]] = {
    "lab": "a lab of two nodes, no process",
    "up": "`labkit up` of it",
    "python": "`python -c pass`",
    "exec": "`labkit exec … true`",
    "true": "`true`",
}
BESIDE: Final[Mapping[str, str]] = {
    "lab": "lab",
    "up": "lab",
    "python": "python",
    "exec": "python",
    "true": "python",
}
LABKIT: Final = (sys.executable, "-m", "labkit")
SECONDS_A_ROUND: Final = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCell:
    """One lab that stays while all rounds are done."""

    only: tuple[str, ...]
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        turns = self.rounds.count + self.rounds.warm_up
        return turns * SECONDS_A_ROUND

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Do all rounds."""
        with tempfile.TemporaryDirectory(prefix="labkit-bench-") as folder, _held(folder) as held:
            turns: Mapping[str, Turn] = {
                "lab": held.build,
                "up": held.up,
                "python": lambda: held.process([sys.executable, "-c", "pass"]),
                "exec": lambda: held.process([*LABKIT, "exec", HELD, "client", "--", "true"]),
                "true": lambda: held.process(["true"]),
            }
            names = chosen(tuple(LABELS), self.only)
            contestants = [
                Contestant(
                    name=name,
                    label=LABELS[name],
                    turn=turns[name],
                    beside=BESIDE[name],
                    weight=SECONDS_A_ROUND / len(names),
                )
                for name in names
            ]
            self.rounds.play(Case(size=NODES), contestants, notebook, tell=tell)


@dataclass(frozen=True, slots=True)
class Held:
    """A scenario, and the environment of processes that find no labs but these."""

    scenario: Path
    environment: Mapping[str, str]

    def process(self, argv: Sequence[str]) -> Mapping[Metric, float]:
        """Take the time of a whole process.

        Raises:
            LabError: it failed.
        """
        began = time.perf_counter()
        done = subprocess.run(
            argv,
            env=self.environment,
            cwd=self.scenario.parent,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        taken = time.perf_counter() - began
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise LabError(f"{' '.join(argv)} failed: {said or done.returncode}")
        return {PROCESS: taken}

    def up(self) -> Mapping[Metric, float]:
        """Take the time of `labkit up`; taking the lab down is not counted."""
        taken = self.process([*LABKIT, "up", "--quiet", "--name", "again", str(self.scenario)])
        self.process([*LABKIT, "down", "again"])
        return taken

    def build(self) -> Mapping[Metric, float]:
        """Take the time until a lab is built."""
        began = time.perf_counter()
        with Lab(self.scenario):
            return {PROCESS: time.perf_counter() - began}


@contextmanager
def _held(folder: str) -> Iterator[Held]:
    """Hold a lab of `labkit init`'s scenario, and whatever else is up, until the end."""
    environment = {
        **os.environ,
        "XDG_RUNTIME_DIR": folder,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    held = Held(Path(folder) / "lab.yaml", environment)
    held.process([*LABKIT, "init", folder])
    held.process([*LABKIT, "up", "--quiet", "--name", HELD, str(held.scenario)])
    try:
        yield held
    finally:
        held.process([*LABKIT, "down", "--all"])
