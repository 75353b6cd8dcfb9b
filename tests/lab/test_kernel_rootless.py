"""The same lab without root: in a user namespace, as an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from labkit.kernel.rootless import why_no_user_namespace
from tests.lab import host

ROOT = Path(__file__).parent.parent.parent
NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
WHY = "from labkit.kernel.rootless import why_no_user_namespace; print(why_no_user_namespace())"

ONE_POD = """
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: many}
spec: {nodes: [{name: node1}], clients: [{name: client}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: node1
  containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: the last Service answers}
spec: {from: client, to: {node: node1, port: 30599}, expect: {outcome: connected, backends: [web]}}
"""
MANY = """
apiVersion: v1
kind: Service
metadata: {{name: svc-{number}}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80, nodePort: {port}}}]
"""


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


@pytest.mark.parametrize("dataplane", ["iptables", "nftables"])
def test_an_ordinary_users_lab_takes_very_many_services(dataplane: str) -> None:
    # Root's sockets take messages of any length, an ordinary user's do not.
    services = (MANY.format(number=number, port=30000 + number) for number in range(600))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        many = Path(folder, "many.yaml")
        many.write_text("---\n".join([ONE_POD, *services]))

        done = as_ordinary_user(
            sys.executable, "-m", "labkit", "run", "--dataplane", dataplane, str(many)
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that nobody else may enter")
def test_a_file_in_somebody_elses_folder_is_one_that_cannot_be_read() -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lab.yaml")
        file.write_text(ONE_POD)

        done = as_ordinary_user(sys.executable, "-m", "labkit", "run", str(file))

    assert done.returncode == 2
    assert f"{file}:1:1: cannot be read: Permission denied; give a scenario" in done.stderr


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
