"""Commands with a real kube-proxy: who names one runs it, and every report says which it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real_kube_proxy import kube_proxy

ROOT = Path(__file__).parents[2]
LOCAL = "scenarios/nodeport-local.yaml"


def labkit(*arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "labkit", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("--rootless",)], ids=["root", "rootless"])
def test_naming_one_is_enough_to_run_it(options: tuple[str, ...]) -> None:
    report = json.loads(
        labkit("run", "-q", "-o", "json", LOCAL, "--kube-proxy", str(kube_proxy()), *options)
    )

    (scenario,) = report["scenarios"]
    assert scenario["dataplane"] == "kube-proxy"
    assert scenario["rules"].startswith("the real kube-proxy v1.")
    assert scenario["passed"]


def test_one_that_would_not_be_used_is_an_error() -> None:
    said = labkit(
        "run", LOCAL, "--dataplane", "iptables", "--kube-proxy", str(kube_proxy()), status=2
    )

    assert "is not used under --dataplane iptables; add kube-proxy to it" in said


def test_a_flow_table_says_which_one_it_was_and_can_be_compared_later(tmp_path: Path) -> None:
    program, before, after = str(kube_proxy()), tmp_path / "before", tmp_path / "after"
    labkit(
        "matrix", "-q", LOCAL, "--kube-proxy", program, "--from", "client", "-o", f"json={before}"
    )
    labkit("matrix", "-q", LOCAL, "--from", "client", "-o", f"json={after}")

    told = json.loads(before.read_text())["kube_proxy"]
    assert told["version"].startswith("v1.")
    assert told["mode"] == "iptables"
    assert "kube_proxy" not in json.loads(after.read_text())
    assert "differ" in labkit("diff", "--tables", str(before), str(after), LOCAL)


def test_its_rules_are_read_back() -> None:
    said = labkit("rules", LOCAL, "--node", "node2", "--kube-proxy", str(kube_proxy()))

    assert said.startswith("# node2: kube-proxy, nodeport-local\n")
    assert "--dport 30081" in said
    assert "labkit.dev" not in said


def test_a_flow_is_explained_for_its_version() -> None:
    said = labkit("explain", LOCAL, "client", "node1:30081", "--kube-proxy", str(kube_proxy()))

    assert "externalTrafficPolicy: Local, so node1 sends to its own endpoints only" in said
