"""Programs die with their labkit and get nothing of it; many threads and edges at once."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from labkit.errors import MissingFeature
from labkit.kernel import rootless
from labkit.kernel.netns import Edge
from tests.lab import host

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 10.0
MOMENTS = 20
LATEST_S = 0.3
"""By then the parent below has started everything."""
PARENT = """
import subprocess, sys, threading
from labkit.kernel.netns import Edge
script = "setsid sleep 1000 & sleep 1000 & echo started; wait"
with Edge() as edge:
    namespace = edge.namespace("node1")
    for own_pids in (True, False):
        # The shell's children die with it only in a process namespace.
        argv = ["sh", "-c", script] if own_pids else ["sh", "-c", "echo started; exec sleep 1000"]
        program = namespace.popen(argv, stdout=subprocess.PIPE, own_pids=own_pids)
        program.stdout.readline()
    print("started", flush=True)
    threading.Event().wait()
"""
HOLDS_ALL = """
from labkit.kernel.netns import Edge
from labkit.errors import LabkitError
with Edge() as edge:
    try:
        for number in range(100):
            edge.namespace(f"pod{number}")
    except LabkitError as error:
        print(error)
"""


@pytest.fixture(autouse=True)
def _namespaces() -> None:
    with Edge() as edge:
        try:
            edge.namespace("a try")
        except MissingFeature as error:
            pytest.skip(str(error))


def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()


def start_parent(mark: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PARENT],
        cwd=ROOT,
        env={**os.environ, "LABKIT_TEST_MARK": mark},
        stdout=subprocess.PIPE,
    )


def test_kill_9_takes_programs_and_their_children_along() -> None:
    mark = uuid4().hex
    with start_parent(mark) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"started\n"
        # The parent, two shells' worth of programs, and what those have started.
        assert len(host.processes_with(mark)) >= 5

        parent.kill()

    assert parent.returncode == -signal.SIGKILL
    until(lambda: not host.processes_with(mark), what="a process is left")


def test_kill_9_at_any_early_moment_leaves_no_process() -> None:
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    for _ in range(MOMENTS):
        mark = uuid4().hex
        with start_parent(mark) as parent:
            try:
                parent.wait(timeout=moments.uniform(0.05, LATEST_S))
            except subprocess.TimeoutExpired:
                parent.kill()
        until(lambda mark=mark: not host.processes_with(mark), what="a process is left")  # type: ignore[misc]


@pytest.mark.parametrize("own_pids", [False, True], ids=["plain", "own pids"])
def test_a_program_gets_no_descriptor_of_labkits(*, own_pids: bool) -> None:
    with Edge() as edge:
        namespaces = [edge.namespace(f"node{number}") for number in range(5)]
        opened = [each.socket(socket.AF_INET, socket.SOCK_STREAM) for each in namespaces]
        program = namespaces[0].popen(
            ["ls", "-l", "/proc/self/fd"], stdout=subprocess.PIPE, own_pids=own_pids
        )
        listed = program.communicate()[0].decode()
        for each in opened:
            each.close()

    shown = [line.split(" ", 8)[-1] for line in listed.splitlines() if "->" in line]
    assert len(shown) == 4  # three streams, and the folder that ls reads
    assert not [line for line in shown if "net:[" in line or "mnt:[" in line or "socket" in line]


@pytest.mark.parametrize("own_pids", [False, True], ids=["plain", "own pids"])
def test_streams_go_through(*, own_pids: bool) -> None:
    with Edge() as edge:
        pipe = subprocess.PIPE
        program = edge.namespace("node1").popen(
            ["sh", "-c", "cat; echo aside >&2; exit 7"],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            own_pids=own_pids,
        )
        assert program.communicate(b"through") == (b"through", b"aside\n")
        assert program.returncode == 7


def test_many_threads_use_one_edge_at_the_same_time() -> None:
    with Edge() as edge:
        namespaces = [edge.namespace(f"node{number}") for number in range(8)]
        inodes = [os.fstat(each.fd).st_ino for each in namespaces]

        def visits(number: int) -> set[int]:
            path = "/proc/thread-self/ns/net"
            return {namespaces[number].run(lambda: Path(path).stat().st_ino) for _ in range(50)}

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(visits, range(8)))

    assert found == [{inode} for inode in inodes]


def test_two_edges_at_once_do_not_meet() -> None:
    with Edge() as one, Edge() as two:
        first, second = one.namespace("node1"), two.namespace("node1")
        first.execute(["ip", "link", "add", "only-here", "type", "bridge"])
        assert "only-here" not in second.execute(["ip", "link"])

        one.close()

        assert second.execute(["ip", "-brief", "link"]).startswith("lo ")


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("ulimit -n 40", "Too many open files"),
        ("echo 10 > /proc/sys/user/max_net_namespaces", "user.max_net_namespaces"),
    ],
    ids=["descriptors", "namespaces"],
)
def test_running_out_is_one_line_that_says_of_what(limit: str, words: str) -> None:
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c"),
            *(f'{limit}; exec "$0" -c "$1"', sys.executable, HOLDS_ALL),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    assert words in line


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("ulimit -n 64", "ulimit -Hn "),
        ("echo 5 > /proc/sys/user/max_net_namespaces", "sysctl user.max_net_namespaces="),
        ("echo 1 > /proc/sys/user/max_mnt_namespaces", "sysctl user.max_mnt_namespaces="),
    ],
    ids=["descriptors", "network namespaces", "mount namespaces"],
)
def test_a_run_that_meets_a_limit_tells_the_remedy(limit: str, words: str) -> None:
    before = host.snapshot()
    run = [sys.executable, "-m", "labkit", "run", "scenarios/nodeport-cluster.yaml"]
    done = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c"),
            *(f'{limit}; exec "$@"', "sh", *run),
        ],
        cwd=ROOT,
        env={**os.environ, rootless.MARK: "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == MissingFeature.exit_status, done.stdout + done.stderr
    assert words in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert host.snapshot() == before
