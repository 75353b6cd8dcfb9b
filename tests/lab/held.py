"""Labs that stay, in tests: the command with a directory of labs of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tests.lab import host

ROOT = Path(__file__).parent.parent.parent
LABKIT = str(Path(sys.executable).parent / "labkit")
DEADLINE_S = 15.0
CLUSTER = str(ROOT / "scenarios/nodeport-cluster.yaml")
PROGRAMS = """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: programs}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, labels: {app: web}}
spec:
  containers:
  - name: web
    command: [sh, -c, "echo hello from web-1; sleep 1000 & exec python3 -m http.server 80"]
    ports: [{containerPort: 80}]
"""
"""A lab with a program that starts another."""


@dataclass(frozen=True, slots=True)
class Labs:
    """Runs the command; whatever it starts carries ``mark`` in its environment."""

    runtime: Path
    prefix: Sequence[str] = ()
    mark: str = field(default_factory=lambda: uuid4().hex)

    @property
    def environment(self) -> Mapping[str, str]:
        mine = {"XDG_RUNTIME_DIR": str(self.runtime), "LABKIT_TEST_MARK": self.mark}
        return {**os.environ, **mine}

    @property
    def folder(self) -> Path:
        return self.runtime / "labkit"

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.prefix, LABKIT, *words],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def ok(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def begin(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.prefix, LABKIT, *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def left(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir()) if self.folder.exists() else []

    def holder(self, name: str) -> int:
        return int((self.folder / f"{name}.lock").read_text())

    def assert_nothing_runs(self) -> None:
        """Wait until no process is left. Namespaces then are gone, too: no mount holds one."""
        until(lambda: not host.processes_with(self.mark), what="a process is left")


@contextmanager
def labs_in(runtime: Path, prefix: Sequence[str] = ()) -> Iterator[Labs]:
    """Labs of a test; all of them are ended behind it."""
    runtime.mkdir(mode=0o700, exist_ok=True)
    labs = Labs(runtime, prefix)
    try:
        yield labs
    finally:
        labs.run("down", "--all")
        labs.assert_nothing_runs()


def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()
