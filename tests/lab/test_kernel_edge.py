"""Namespaces and the programs in them: who enters what, and what is left afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from labkit.errors import CommandError, KernelError, LabError, MissingFeature
from labkit.kernel import process
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World
from tests.lab import host, kernel_clusters
from tests.lab.probe_hosts import open_files

DEADLINE_S = 5.0
READ_ONLY = """
mount --bind -o ro /proc/sys /proc/sys
exec "$0" -c '
from labkit.kernel.netns import Edge
with Edge() as edge:
    edge.namespace("pod")
'
"""


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as made:
        try:
            made.namespace("a try").close()
        except MissingFeature as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def namespace(edge: Edge) -> Namespace:
    return edge.namespace("node1")


def own_namespaces() -> tuple[Path, Path]:
    return Path("/proc/thread-self/ns/net").readlink(), Path("/proc/thread-self/ns/mnt").readlink()


def until(condition: Callable[[], bool], *, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        os.sched_yield()


def is_alive(pid: int) -> bool:
    """Whether a process runs, of which a zombie is no example."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before or between open and read
        return False


def assert_own_run(namespace: Namespace) -> None:
    """Stop before anything is written that would land in the machine's own /run."""
    own = Path("/run").stat()
    found = namespace.execute(["stat", "--format=%d:%i", "/run"]).strip()
    assert found != f"{own.st_dev}:{own.st_ino}"


# --- the worker thread ---


def test_the_callers_thread_stays_where_it_is(namespace: Namespace) -> None:
    before, outside = own_namespaces(), host.snapshot()

    inside = namespace.run(own_namespaces)
    namespace.execute(["ip", "link", "set", "lo", "up"])

    assert inside[0] != before[0]
    assert own_namespaces() == before
    assert host.snapshot() == outside


def test_a_closed_edge_frees_everything_and_refuses_work() -> None:
    before, threads = open_files(), threading.active_count()
    with Edge() as edge:
        try:
            kept = edge.namespace("node1")
        except MissingFeature as error:
            pytest.skip(str(error))
        kept.execute(["true"])
    edge.close()

    assert open_files() == before
    assert threading.active_count() == threads
    with pytest.raises(LabError, match="this lab is closed"):
        edge.namespace("node2")
    with pytest.raises(LabError, match="node1 is closed"):
        kept.execute(["true"])


def test_a_namespace_that_could_not_be_begun_is_closed(edge: Edge) -> None:
    before = open_files()

    def fail() -> None:
        raise LabError("no")

    with pytest.raises(LabError, match="no"):
        edge.namespace("node1", first=fail)

    assert open_files() == before


def test_an_error_leaves_the_worker_outside(edge: Edge, namespace: Namespace) -> None:
    outside = edge.run(own_namespaces)

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        namespace.run(fail)

    assert edge.run(own_namespaces) == outside


class InterruptingEdge(Edge):
    """Interrupts the main thread when the third namespace is made, and goes on."""

    made = 0

    def namespace(
        self, name: str, *, ipv6: bool = False, first: Callable[[], None] | None = None
    ) -> Namespace:
        self.made += 1
        if self.made == 3:
            main = threading.main_thread().ident
            assert main
            signal.pthread_kill(main, signal.SIGINT)
        return super().namespace(name, ipv6=ipv6, first=first)


@pytest.mark.usefixtures("namespace")
def test_an_interrupted_build_stops_and_frees_everything() -> None:
    node = replace(kernel_clusters.NODE1, pod_cidr=IPv4Network("10.244.0.0/20"))
    pods = tuple(kernel_clusters.pod(f"pod{number}", node, number + 2) for number in range(500))
    cluster = replace(kernel_clusters.CLUSTER, nodes=(node,), clients=(), pods=pods)
    before = open_files()

    with InterruptingEdge() as edge:
        with pytest.raises(KeyboardInterrupt):
            World(edge, cluster)
        assert 3 <= edge.made < len(pods)

    assert open_files() == before


def test_sockets_belong_to_the_namespace_for_life(edge: Edge, namespace: Namespace) -> None:
    other = edge.namespace("node2")
    for each in (namespace, other):
        each.execute(["ip", "link", "set", "lo", "up"])
    with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        target = server.getsockname()
        for sock in namespace.sockets(3, socket.AF_INET, socket.SOCK_STREAM):
            with sock:
                sock.settimeout(DEADLINE_S)
                sock.connect(target)
        with (
            other.socket(socket.AF_INET, socket.SOCK_STREAM) as elsewhere,
            pytest.raises(ConnectionRefusedError),
        ):
            elsewhere.connect(target)


def test_a_sysctl_that_does_not_exist_is_named(namespace: Namespace) -> None:
    with pytest.raises(KernelError, match=r"node1: set net\.ipv4\.no_such to 1: No such file"):
        namespace.write_sysctls({"net/ipv4/no_such": "1"})


def test_a_value_that_the_kernel_refuses_is_named(namespace: Namespace) -> None:
    with pytest.raises(KernelError, match=r"set net\.ipv4\.ip_forward to many: Invalid argument"):
        namespace.write_sysctls({"net/ipv4/ip_forward": "many"})


@pytest.mark.usefixtures("namespace")
def test_read_only_sysctls_are_something_that_is_missing() -> None:
    command = ["unshare", "--net", "--mount", "sh", "-c", READ_ONLY, sys.executable]
    if os.geteuid():
        command[1:1] = ["--user", "--map-root-user"]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert "MissingFeature: writable sysctls" in done.stderr
    assert "start this container with --privileged" in done.stderr


# --- programs ---


def test_a_program_has_its_own_run_and_the_namespaces_sys(namespace: Namespace) -> None:
    namespace.execute(["ip", "link", "add", "veth0", "type", "veth", "peer", "name", "veth1"])
    before = host.snapshot()
    assert_own_run(namespace)

    namespace.execute(["sh", "-c", "echo mine > /run/xtables.lock"])

    assert namespace.execute(["ls", "/run"]).split() == ["xtables.lock"]
    assert set(namespace.execute(["ls", "/sys/class/net"]).split()) == {"lo", "veth0", "veth1"}
    assert host.snapshot() == before


def test_namespaces_do_not_share_run(edge: Edge) -> None:
    first, second = edge.namespace("node1"), edge.namespace("node2")

    assert_own_run(first)

    first.execute(["touch", "/run/mine"])

    assert second.execute(["ls", "/run"]) == ""


@pytest.mark.parametrize("own_pids", [False, True], ids=["plain", "own pids"])
def test_a_program_starts_where_its_caller_is(
    namespace: Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, own_pids: bool
) -> None:
    monkeypatch.chdir(tmp_path)

    program = namespace.popen(
        ["sh", "-c", 'pwd; echo "$WORD"'],
        env={"WORD": "hello"},
        stdout=subprocess.PIPE,
        own_pids=own_pids,
    )

    assert program.communicate()[0].decode().split() == [str(tmp_path), "hello"]


def test_a_program_whose_directory_its_mounts_hide_starts_all_the_same(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/run")

    assert namespace.execute(["pwd"]).strip() in {"/", "/run"}


def test_a_failing_tool_tells_what_it_was_given_and_what_it_said(namespace: Namespace) -> None:
    with pytest.raises(CommandError) as caught:
        namespace.execute(["sh", "-c", "cat >&2; exit 3"], stdin="line 1")

    error = caught.value
    assert (error.where, error.returncode, error.stdin) == ("node1", 3, "line 1")
    assert error.stderr == "line 1"


def test_tools_of_several_namespaces_run_at_the_same_time(edge: Edge) -> None:
    tools = [edge.namespace(f"node{number}").start_tool(["cat"]) for number in range(3)]

    # The last to be started ends first, while all others still wait for their input.
    for number, tool in reversed(list(enumerate(tools))):
        assert tool.communicate(str(number).encode()) == (str(number).encode(), b"")


def test_own_pids_shows_only_its_own_processes(namespace: Namespace) -> None:
    program = namespace.popen(
        ["sh", "-c", "echo $$; ls /proc"], stdout=subprocess.PIPE, own_pids=True
    )

    first, *listed = program.communicate()[0].decode().split()

    assert first == "1"
    assert len([name for name in listed if name.isdigit()]) == 2  # itself and ls


def test_killing_a_program_with_own_pids_kills_what_it_started(namespace: Namespace) -> None:
    before = host.processes_with("LABKIT_TEST_CHILD=1")
    program = namespace.popen(
        ["sh", "-c", "setsid sleep 1000 & echo started; wait"],
        env={"LABKIT_TEST_CHILD": "1"},
        stdout=subprocess.PIPE,
        own_pids=True,
    )
    assert program.stdout
    assert program.stdout.readline() == b"started\n"
    found = host.processes_with("LABKIT_TEST_CHILD=1") - before
    assert len(found) > 1

    program.kill()
    program.wait()
    program.stdout.close()

    until(lambda: not any(map(is_alive, found)), what=f"one of {found} lives on")


@pytest.mark.parametrize("own_pids", [False, True], ids=["plain", "own pids"])
def test_programs_die_with_the_edge(edge: Edge, *, own_pids: bool) -> None:
    program = edge.namespace("node1").popen(
        ["sh", "-c", "echo started; exec sleep 1000"], stdout=subprocess.PIPE, own_pids=own_pids
    )
    assert program.stdout
    assert program.stdout.readline() == b"started\n"

    edge.close()

    assert program.wait(timeout=DEADLINE_S) == -signal.SIGKILL
    program.stdout.close()


@pytest.mark.parametrize("own_pids", [False, True], ids=["plain", "own pids"])
def test_a_program_whose_labkit_is_gone_never_starts(*, own_pids: bool) -> None:
    command = process.watched(["echo", "started"], own_pids=own_pids)
    between = ["unshare", "--user", "--map-root-user", "sh", "-c", '"$@"; exit $?', "sh"]

    # With a shell between, the program's parent is not the process that asked for it.
    done = subprocess.run([*between, *command], capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 1)


def test_the_first_process_of_its_own_namespace_checks_its_parent_too() -> None:
    # Labkit can also go after the first check. No process here has this one's number.
    apart = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    first = ["sh", "-c", process.FIRST_PROCESS, "no parent", "echo", "started"]

    done = subprocess.run([*apart, *first], capture_output=True, text=True, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 1)
