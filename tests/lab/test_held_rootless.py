"""Labs that stay, of an ordinary user: in a user namespace that labkit exec enters, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkit.kernel.rootless import why_no_user_namespace
from tests.lab import host
from tests.lab.held import CLUSTER, PROGRAMS, Labs, labs_in
from tests.lab.test_kernel_rootless import NOBODY, as_ordinary_user

NAME = "nodeport-cluster"
USER = 65534
ASK = """
import socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
connection.sendall(b'{"do": "describe", "version": 2}\\n')
print(connection.recv(4096).decode())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that other users can reach, where pytest's are for one alone."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def ordinary(folder: Path) -> Iterator[Labs]:
    if (refusal := why_no_user_namespace()) is not None:
        pytest.skip(str(refusal))
    as_ordinary_user("true")  # skips where there is none
    runtime = folder / "run"
    runtime.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(runtime, USER, USER)
    with labs_in(runtime, NOBODY if os.geteuid() == 0 else ()) as mine:
        yield mine


def test_an_ordinary_users_lab_works_the_same(ordinary: Labs, folder: Path) -> None:
    before = host.snapshot()
    scenario = folder / "programs.yaml"
    scenario.write_text(PROGRAMS)
    ordinary.ok("up", CLUSTER)
    ordinary.ok("up", str(scenario))

    answer = ordinary.ok("exec", NAME, "client", "--", "curl", "-s", "192.168.0.2:30080/clientip")
    assert answer.partition(":")[0] == "192.168.0.2"
    assert "KUBE-NODEPORTS" in ordinary.ok("exec", NAME, "node1", "iptables-save", "-t", "nat")
    assert ordinary.ok("exec", NAME, "client", "id", "-u") == "0\n"
    assert ordinary.run("exec", NAME, "client", "sh", "-c", "exit 7").returncode == 7
    assert [line.split()[0] for line in ordinary.ok("ps").splitlines()[1:]] == [NAME, "programs"]
    assert "hello from web-1" in ordinary.ok("logs", "programs")
    assert "3 passed" in ordinary.ok("check", NAME)
    lines = "client curl -s node2:30080/hostname\nnode1 id -u\nprobe client node1:30080\n"
    at_the_prompt = ordinary.ok("shell", NAME, stdin=lines)
    assert at_the_prompt.startswith("web-10\n✔  client → node1:30080: connected")
    ordinary.ok("down", NAME, "programs")

    assert ordinary.left() == []
    ordinary.assert_nothing_runs()
    assert host.snapshot() == before


def test_a_private_folder_below_tmp_is_found_from_both_sides(
    ordinary: Labs, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(ordinary.runtime))
    ordinary = Labs(folder / "not-there", ordinary.prefix, ordinary.mark)
    user = USER if os.geteuid() == 0 else os.geteuid()

    ordinary.ok("up", CLUSTER)
    own = folder / "run" / f"labkit-{user}"
    assert sorted(each.name for each in own.iterdir()) == [f"{NAME}.lock", f"{NAME}.sock"]
    assert own.stat().st_mode & 0o777 == 0o700
    ordinary.ok("exec", NAME, "client", "true")
    ordinary.ok("down", NAME)


def test_another_user_is_refused(folder: Path) -> None:
    if os.geteuid():
        pytest.skip("no other user can be had here")
    with labs_in(folder / "run") as labs:
        labs.ok("up", CLUSTER)
        lab_socket = labs.folder / f"{NAME}.sock"
        kept_out = as_ordinary_user(sys.executable, "-c", ASK, str(lab_socket))
        assert "PermissionError" in kept_out.stderr

        for each in (lab_socket, labs.folder, labs.runtime):
            each.chmod(0o777)
        refused = as_ordinary_user(sys.executable, "-c", ASK, str(lab_socket))
        opened = labs.run("exec", NAME, "client", "true")
        labs.folder.chmod(0o700)

        assert "this lab is another user's" in refused.stdout
        assert opened.returncode == 2
        assert "is open to others (mode 0777)" in opened.stderr


def test_another_users_directory_is_not_used(folder: Path) -> None:
    if os.geteuid():
        pytest.skip("no other user can be had here")
    shared = folder / "labkit-0"
    shared.mkdir(mode=0o700)
    shutil.chown(shared, USER, USER)

    done = subprocess.run(
        [sys.executable, "-m", "labkit", "ps"],
        env={**os.environ, "TMPDIR": str(folder), "XDG_RUNTIME_DIR": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr == (
        f"labkit: {shared} belongs to another user; "
        "set XDG_RUNTIME_DIR to a directory of your own\n"
    )
