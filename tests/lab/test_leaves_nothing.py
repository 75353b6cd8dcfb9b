"""However a run ends, nothing is left and the host is as it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.lab import host

ROOT = Path(__file__).parent.parent.parent
LABKIT = str(Path(sys.executable).parent / "labkit")
MOMENTS = 50
LONGEST_S = 0.7
"""Later than this the two short scenarios are done; the spread covers start, build and probes."""
DEADLINE_S = 10.0
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
    command: [sh, -c, "sleep 1000 & sleep 1001 & exec /usr/bin/python3 -m http.server 80"]
    ports: [{containerPort: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: a program answers}
spec: {from: client, to: {node: node2, port: 30080}, expect: {outcome: connected}}
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: a closed port keeps the run alive for a while}
spec: {from: client, to: {address: 10.96.99.99, port: 80}, expect: {outcome: timeout}}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "programs.yaml"
    path.write_text(PROGRAMS)
    return path


def start(mark: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [LABKIT, "run", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LABKIT_TEST_MARK": mark},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()


def assert_gone(mark: str, namespaces: set[str]) -> None:
    until(lambda: not host.processes_with(mark), what="a process is left")
    until(lambda: host.network_namespaces() <= namespaces, what="a namespace is held")


@pytest.mark.timeout(120)
def test_kill_9_at_50_random_moments_leaves_nothing(scenario: Path) -> None:
    before, namespaces = host.snapshot(), host.network_namespaces()
    moments = random.Random(20)  # noqa: S311 - moments, not secrets
    for _ in range(MOMENTS):
        mark = uuid4().hex
        process = start(mark, scenario, "scenarios/nodeport-cluster.yaml")
        try:
            process.wait(timeout=moments.uniform(0.0, LONGEST_S))
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        assert_gone(mark, namespaces)
    assert host.snapshot() == before


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_at_once_and_leaves_nothing(
    how: signal.Signals, scenario: Path
) -> None:
    before, namespaces = host.snapshot(), host.network_namespaces()
    mark = uuid4().hex
    process = start(mark, scenario)
    until(lambda: bool(host.namespaces_with(mark) - namespaces), what="the run has begun")

    asked = time.monotonic()
    process.send_signal(how)
    status = process.wait(timeout=DEADLINE_S)

    assert time.monotonic() - asked < 1.0
    assert status == (130 if how == signal.SIGINT else -signal.SIGTERM)
    assert_gone(mark, namespaces)
    assert host.snapshot() == before


def test_a_whole_run_leaves_the_host_as_it_was(scenario: Path) -> None:
    before, namespaces = host.snapshot(), host.network_namespaces()
    mark = uuid4().hex

    status = start(mark, scenario).wait(timeout=30)

    assert status == 0
    assert_gone(mark, namespaces)
    assert host.snapshot() == before
