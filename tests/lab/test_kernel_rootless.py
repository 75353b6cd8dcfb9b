"""The same lab without root: in a user namespace, as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit.kernel.rootless import why_no_user_namespace
from tests.lab import host

ROOT = Path(__file__).parent.parent.parent
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
WHY = "from labkit.kernel.rootless import why_no_user_namespace; print(why_no_user_namespace())"


@pytest.fixture(autouse=True)
def _user_namespaces() -> None:
    if (refusal := why_no_user_namespace()) is not None:
        pytest.skip(str(refusal))


def as_ordinary_user(*argv: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid() == 0:
        tried = subprocess.run([*NOBODY, "test", "-x", sys.executable], check=False)
        if tried.returncode:
            pytest.skip("no other user can be had here, or it cannot run this interpreter")
    command = [*NOBODY, *argv] if os.geteuid() == 0 else list(argv)
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PATH": "/usr/bin:/bin", "HOME": "/"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--rootless"], []], ids=["asked for", "by default"])
def test_an_ordinary_user_runs_a_scenario(arguments: list[str]) -> None:
    before = host.snapshot()

    done = as_ordinary_user(
        sys.executable, "-m", "labkit", "run", *arguments, "scenarios/nodeport-cluster.yaml"
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert host.snapshot() == before


@pytest.mark.timeout(120)
def test_an_ordinary_user_runs_every_scenario() -> None:
    done = as_ordinary_user(sys.executable, "-m", "labkit", "run", "scenarios/")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((ROOT / "scenarios").glob("*.yaml"))) > 1
    assert f"{len(list((ROOT / 'scenarios').glob('*.yaml')))} scenarios, " in done.stdout


def test_an_ordinary_users_doctor_finds_what_scenarios_need() -> None:
    done = as_ordinary_user(sys.executable, "-m", "labkit", "doctor")

    found = {line[:20].strip(): line[20:].split()[:1] for line in done.stdout.splitlines()}
    for feature in ("network namespaces", "mount namespaces", "veth", "bridge netfilter", "tools"):
        assert found[feature] == ["yes"], done.stdout


def test_a_refused_user_namespace_says_which_setting_it_was() -> None:
    # A limit of its own: that of a user namespace made for this, not the machine's.
    limited = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" -c "$1"'
    done = as_ordinary_user(
        *("unshare", "--user", "--map-root-user", "sh", "-c", limited, sys.executable, WHY)
    )

    assert done.returncode == 0, done.stderr
    assert "unshare: " in done.stdout
    assert "as root: sysctl user.max_user_namespaces=10000" in done.stdout
