"""Labs that stay: built, entered, listed and ended by the command."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.lab import host
from tests.lab.held import CLUSTER, LABKIT, PROGRAMS, ROOT, Labs, labs_in, until

NAME = "nodeport-cluster"


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    with labs_in(tmp_path / "run") as mine:
        yield mine


def test_a_lab_stays_until_it_is_told_to_go(labs: Labs) -> None:
    before = host.snapshot()

    said = labs.ok("up", CLUSTER)
    assert said.startswith(f"{NAME} is up: iptables, 2 nodes, 1 client, 2 pods, 1 Service\n")
    answer = labs.ok("exec", NAME, "client", "--", "curl", "-s", "192.168.0.2:30080/clientip")
    assert answer.partition(":")[0] == "192.168.0.2"
    assert labs.ok("down", NAME) == f"{NAME} is down\n"

    assert labs.left() == []
    labs.assert_nothing_runs()
    assert host.snapshot() == before


def test_the_commands_that_up_names_work(labs: Labs) -> None:
    _, *shown = labs.ok("up", CLUSTER).splitlines()

    assert len(shown) == 4
    for line in shown:
        program, *words = line.split()
        assert program == "labkit"
        assert labs.ok(*words, stdin="pods")


def test_ps_lists_labs_and_whose_process_it_is(labs: Labs) -> None:
    assert labs.ok("ps") == "no lab runs; build one with labkit up FILE\n"
    labs.ok("up", CLUSTER, "--name", "first")
    labs.ok("up", CLUSTER, "--name", "second")

    (head, *rows) = labs.ok("ps").splitlines()
    found = json.loads(labs.ok("ps", "-o", "json"))

    assert head.split()[0] == "NAME"
    assert [row.split()[:6] for row in rows] == [
        ["first", "iptables", "2", "1", "2", "1"],
        ["second", "iptables", "2", "1", "2", "1"],
    ]
    assert found["schema"] == "labkit.dev/labs/v1"
    assert [lab["holder"] for lab in found["labs"]] == [
        labs.holder("first"),
        labs.holder("second"),
    ]
    assert found["labs"][0]["pods"] == ["web-1", "caller"]


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
        (["no-such-program"], 127),
        ([CLUSTER], 126),
    ],
    ids=["true", "exit 7", "a signal", "no such program", "no program"],
)
def test_the_exit_status_is_the_programs(labs: Labs, command: list[str], status: int) -> None:
    labs.ok("up", CLUSTER)
    assert labs.run("exec", NAME, "client", "--", *command).returncode == status


def test_streams_directory_and_signals_are_the_programs(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    echoed = labs.run("exec", NAME, "node1", "sh", "-c", "cat; echo oops >&2", stdin="a\nb")
    assert (echoed.stdout, echoed.stderr) == ("a\nb", "oops\n")
    assert labs.ok("exec", NAME, "node1", "pwd") == f"{ROOT}\n"
    # A shell that ignores SIGPIPE would say that it could not write, and not end by a signal.
    assert labs.run("exec", NAME, "node1", "sh", "-c", "kill -PIPE $$").returncode == -13
    # Standard streams, the socket to the holder, and that of this very listing.
    files = labs.ok("exec", NAME, "node1", "ls", "-l", "/proc/self/fd").splitlines()
    assert len([line for line in files if "->" in line]) == 5
    assert not any("net:[" in line or "mnt:[" in line for line in files)


def test_a_terminal_is_the_programs(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    main, terminal = pty.openpty()
    name = os.ttyname(terminal)
    with os.fdopen(main, "rb", buffering=0) as screen:
        words = [
            LABKIT,
            "exec",
            NAME,
            "client",
            "--",
            "sh",
            "-c",
            "tty; echo in $(cat /proc/$$/comm)",
        ]
        process = subprocess.Popen(
            words, env=labs.environment, stdin=terminal, stdout=terminal, stderr=terminal
        )
        os.close(terminal)
        assert process.wait(timeout=10) == 0
        assert screen.read(4096).split() == [name.encode(), b"in", b"sh"]


def test_names_that_are_not_there_are_told_with_those_that_are(labs: Labs) -> None:
    assert labs.run("down", "x").stderr == "labkit: no lab x runs; none runs: labkit up FILE\n"
    labs.ok("up", CLUSTER)

    assert labs.run("exec", "nodeport-clustr", "client", "true").stderr == (
        f"labkit: no lab nodeport-clustr runs; did you mean {NAME}? there are: {NAME}\n"
    )
    assert labs.run("exec", NAME, "clinet", "true").stderr == (
        "labkit: host clinet does not exist in this lab; did you mean client? "
        "there are: client, node1, node2, web-1, caller\n"
    )
    assert labs.run("exec", NAME, "client").returncode == 2
    assert labs.run("down").returncode == 2


def test_a_name_is_taken_once(labs: Labs) -> None:
    labs.ok("up", CLUSTER)

    again = labs.run("up", CLUSTER)

    assert again.returncode == 2
    assert again.stderr == (
        f"labkit: lab {NAME} runs already; end it with labkit down {NAME}, or give this one "
        "another name with --name\n"
    )
    labs.ok("exec", NAME, "client", "true")


def test_of_two_at_once_one_wins(labs: Labs) -> None:
    both = [labs.begin("up", CLUSTER), labs.begin("up", CLUSTER)]
    said = [process.communicate(timeout=20)[0] for process in both]

    assert sorted(process.returncode for process in both) == [0, 2], said
    labs.ok("exec", NAME, "client", "true")
    labs.ok("down", NAME)
    labs.assert_nothing_runs()


@pytest.mark.timeout(120)
def test_20_labs_at_once(labs: Labs) -> None:
    names = [f"lab-{number:02}" for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: labs.ok("up", CLUSTER, "--name", name), names))

    found = json.loads(labs.ok("ps", "-o", "json"))["labs"]
    assert [lab["name"] for lab in found] == names
    answers = [
        labs.ok("exec", name, "client", "--", "curl", "-s", "192.168.0.2:30080/hostname")
        for name in names
    ]
    assert answers == ["web-1"] * 20
    labs.ok("down", "--all")
    assert labs.left() == []


@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        ("kind: Nonsense\n", 2, "bad.yaml:1:"),
        (PROGRAMS.replace("sh, -c", "no-such-program, -c"), 2, "no-such-program"),
        (PROGRAMS.replace("hello from web-1; ", "bye; exit 3; "), 1, "web-1/web ended with 3"),
    ],
    ids=["a bad file", "a missing program", "a program that ends"],
)
def test_up_that_fails_says_why_and_leaves_nothing(
    labs: Labs, tmp_path: Path, text: str, status: int, says: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    done = labs.run("up", str(file))

    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert labs.left() == []
    labs.assert_nothing_runs()


def test_a_data_plane_that_this_kernel_lacks_is_told_with_the_remedy(labs: Labs) -> None:
    if Path("/proc/sys/net/ipv4/vs").exists():
        pytest.skip("this kernel has ip_vs")
    done = labs.run("up", CLUSTER, "--dataplane", "ipvs")

    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "labkit run FILE takes a guest's with --kernel uml" in done.stderr
    assert labs.left() == []


def test_down_ends_what_was_started_in_the_lab(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    program = labs.begin("exec", NAME, "web-1", "sh", "-c", "echo ready; exec sleep 1000")
    assert program.stdout
    assert program.stdout.readline() == "ready\n"

    labs.ok("down", NAME)

    assert program.wait(timeout=10) == -signal.SIGHUP
    program.stdout.close()


def test_a_program_that_writes_where_it_should_not_goes_on(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    # The socket to the holder is the one descriptor that the program did not ask for.
    noise = "for fd in /proc/self/fd/*; do n=${fd##*/}; [ $n -gt 2 ] && echo noise >&$n; done"
    # By the answer to another command, the holder has had its turn.
    script = f"({noise}) 2>/dev/null; {LABKIT} ps >/dev/null; echo still here"
    assert labs.ok("exec", NAME, "client", "--", "bash", "-c", script) == "still here\n"


def test_a_holder_that_hangs_is_listed_and_ended(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    holder = labs.holder(NAME)
    os.kill(holder, signal.SIGSTOP)
    try:
        assert "does not answer: timed out; end it with labkit down" in labs.ok("ps")
    finally:
        os.kill(holder, signal.SIGKILL)
    assert labs.ok("ps") == "no lab runs; build one with labkit up FILE\n"
    assert labs.left() == []


def test_another_version_is_refused_with_what_to_do(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    with socket.socket(socket.AF_UNIX) as connection:
        folder = os.open(labs.folder, os.O_RDONLY)
        try:
            connection.connect(f"/proc/self/fd/{folder}/{NAME}.sock")
        finally:
            os.close(folder)
        connection.sendall(b'{"do": "enter", "version": 0, "host": "client"}\n')
        answer = json.loads(connection.recv(4096))

    assert answer["answer"] == "failure"
    assert "labkit down" in answer["text"]


def test_shell_starts_the_users_own_in_a_host(labs: Labs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/sh")
    labs.ok("up", CLUSTER)

    client = labs.run("shell", NAME, "client", stdin="ip -brief address show eth0\nexit 3\n")
    node = labs.run("shell", NAME, "node2", stdin="ip -brief address show eth0\n")

    assert (client.returncode, node.returncode) == (3, 0)
    assert "192.168.0.100/24" in client.stdout
    assert "192.168.0.2/24" in node.stdout


def test_a_lab_that_is_still_being_built_is_told_and_can_be_ended(
    labs: Labs, tmp_path: Path
) -> None:
    # `up` waits until every program listens, and this one never does.
    scenario = tmp_path / "programs.yaml"
    scenario.write_text(PROGRAMS.replace("exec python3 -m http.server 80", "exec sleep 1000"))
    process = labs.begin("up", str(scenario))
    until(
        lambda: bool(labs.left()) and (labs.folder / "programs.lock").read_text() != "", what="up"
    )

    assert "lab programs is just being built" in labs.run("exec", "programs", "client", "ls").stderr
    assert "lab programs is just being built" in labs.ok("ps")
    labs.ok("down", "programs")

    said, _ = process.communicate(timeout=15)
    assert process.returncode == 1
    assert said == (
        "labkit: lab programs is not up: its process was ended by SIGTERM while it built the lab; "
        "build it again with labkit up\n"
    )
    assert labs.left() == []
    labs.assert_nothing_runs()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_trace_that_nobody_waits_for_any_more_ends(labs: Labs, end: signal.Signals) -> None:
    labs.run("up", "scenarios/nodeport-without-snat.yaml")
    name = "nodeport-without-snat"
    # Half an hour: each attempt is answered by a stranger, and waits.
    words = ["trace", name, "client", "node2:30080", "--attempts", "1000"]
    client = labs.begin(*words)
    try:
        until(lambda: "labkit-trace" in tables(labs, name), what="the trace has begun")
        client.send_signal(end)
    finally:
        client.communicate()

    done = labs.run("probe", name, "node1", "my-nginx:http", "--attempts", "1")

    assert "web-1" in done.stdout, done.stderr
    assert "labkit-trace" not in tables(labs, name)


def tables(labs: Labs, name: str) -> str:
    return labs.run("exec", name, "node2", "--", "nft", "list", "tables").stdout
