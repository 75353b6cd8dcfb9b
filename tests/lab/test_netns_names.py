"""`labkit up --netns-names`: names for `ip netns exec`, gone with the lab, however it ends.

The machine's own /run/netns is not touched: everything here happens in a mount namespace whose
/run is its own.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.lab.held import CLUSTER, ROOT, Labs, labs_in, until
from tests.lab.host import processes_with, snapshot

NAME = "nodeport-cluster"
HOSTS = ["caller", "client", "node1", "node2", "web-1"]
OWN_RUN = "mount --make-rprivate / && mount -t tmpfs tmpfs /run && echo ready && exec cat"


@pytest.fixture
def labs(tmp_path: Path) -> Iterator[Labs]:
    if os.geteuid():
        pytest.skip("only root can link into /run/netns")
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", OWN_RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as keeper:
        assert keeper.stdout
        assert keeper.stdin
        assert keeper.stdout.readline() == b"ready\n"
        prefix = ["nsenter", f"--mount=/proc/{keeper.pid}/ns/mnt", f"--wdns={ROOT}"]
        with labs_in(tmp_path / "run", prefix) as mine:
            yield mine
        keeper.stdin.close()


def inside(labs: Labs, *argv: str) -> str:
    done = subprocess.run([*labs.prefix, *argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(labs: Labs) -> list[str]:
    return inside(labs, "sh", "-c", "ls -A /run/netns 2>/dev/null || echo none").split()


def test_ip_netns_exec_finds_every_host(labs: Labs) -> None:
    before = snapshot()
    labs.ok("up", CLUSTER, "--netns-names")

    assert names(labs) == [f"{NAME}:{host}" for host in HOSTS]
    for host, address in {"client": "192.168.0.100", "node2": "192.168.0.2"}.items():
        shown = inside(labs, "ip", "netns", "exec", f"{NAME}:{host}", "ip", "address", "show")
        assert address in shown
    assert {line.split()[0] for line in inside(labs, "ip", "netns").splitlines()} == set(
        names(labs)
    )
    assert snapshot() == before
    labs.ok("down", NAME)
    assert names(labs) == ["none"]
    assert labs.left() == []


def test_names_follow_the_pods(labs: Labs, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web-9, namespace: shop}\n"
        "spec: {nodeName: node1, containers: [{name: web, ports: [{containerPort: 80}]}]}\n"
    )
    labs.ok("up", CLUSTER, "--netns-names", "--name", "trial")

    labs.ok("delete", "trial", "pod/web-1")
    labs.ok("apply", "trial", str(more))

    assert names(labs) == sorted(
        f"trial:{host}" for host in ("caller", "client", "node1", "node2", "shop:web-9")
    )
    shown = inside(labs, "ip", "netns", "exec", "trial:shop:web-9", "ip", "-4", "address")
    assert "10.244.1." in shown


def test_a_killed_holder_leaves_no_name(labs: Labs) -> None:
    labs.ok("up", CLUSTER, "--netns-names")

    os.kill(labs.holder(NAME), signal.SIGKILL)

    until(lambda: names(labs) == ["none"], what="a name is left")
    labs.assert_nothing_runs()
    assert labs.left() == []


@pytest.mark.timeout(90)
def test_a_holder_that_is_killed_at_any_moment_leaves_no_name(labs: Labs) -> None:
    moments = random.Random(28)  # noqa: S311 - moments, not secrets
    for _ in range(8):
        up = labs.begin("up", CLUSTER, "--netns-names")
        until(lambda: f"{NAME}.lock" in labs.left(), what="up has not begun")
        with suppress(subprocess.TimeoutExpired):
            up.wait(timeout=moments.uniform(0.0, 0.4))
        for process in processes_with(labs.mark):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        up.communicate(timeout=15)
        labs.assert_nothing_runs()

        assert labs.ok("ps") == "no lab runs; build one with labkit up FILE\n"
        assert names(labs) == ["none"]
        assert labs.left() == []


@pytest.mark.parametrize("command", [["ps"], ["down", "--all"], ["up", CLUSTER]])
def test_names_that_nobody_could_remove_are_removed_by_the_next_command(
    labs: Labs, command: list[str]
) -> None:
    labs.ok("up", CLUSTER, "--netns-names")
    holder = labs.holder(NAME)
    (watcher,) = processes_with(labs.mark) - {holder}
    for process in (watcher, holder):
        os.kill(process, signal.SIGKILL)
    labs.assert_nothing_runs()
    assert len(names(labs)) == len(HOSTS)

    labs.run(*command)

    assert names(labs) == ["none"]


def test_two_labs_and_others_names_are_apart(labs: Labs) -> None:
    inside(labs, "ip", "netns", "add", "others")
    labs.ok("up", CLUSTER, "--netns-names", "--name", "first")
    labs.ok("up", CLUSTER, "--netns-names", "--name", "second")
    assert len(names(labs)) == 1 + 2 * len(HOSTS)

    labs.ok("down", "first")
    assert names(labs) == ["others", *(f"second:{host}" for host in HOSTS)]
    labs.ok("down", "second")

    assert names(labs) == ["others"]
    inside(labs, "ip", "netns", "delete", "others")


def test_a_name_that_is_taken_is_told_and_left_alone(labs: Labs) -> None:
    inside(labs, "ip", "netns", "add", f"{NAME}:node1")

    refused = labs.run("up", CLUSTER, "--netns-names")

    assert refused.returncode == 2
    assert refused.stderr == (
        f"labkit: /run/netns/{NAME}:node1 is there already; give the lab another name with --name, "
        "or remove it\n"
    )
    assert names(labs) == [f"{NAME}:node1"]
    inside(labs, "ip", "netns", "exec", f"{NAME}:node1", "true")
    inside(labs, "ip", "netns", "delete", f"{NAME}:node1")
    labs.assert_nothing_runs()


def test_without_the_option_there_are_no_names(labs: Labs) -> None:
    labs.ok("up", CLUSTER)
    assert names(labs) == ["none"]


def test_it_is_for_root(labs: Labs) -> None:
    refused = labs.run("up", CLUSTER, "--netns-names", "--rootless")
    assert refused.returncode == 2
    assert "--netns-names is for root" in refused.stderr
