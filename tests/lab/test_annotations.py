"""In a step of a GitHub workflow, pytest annotates the Checks that failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIO = """\
apiVersion: labkit.dev/v1
kind: Lab
metadata: {name: wrong}
spec: {nodes: [{name: node1}], clients: [{name: client}]}
---
apiVersion: labkit.dev/v1
kind: Check
metadata: {name: "nobody listens, and all are served"}
spec:
  from: client
  to: {node: node1, port: 30080}
  expect: {outcome: connected}
"""


def run_pytest(folder: Path, *more: str) -> str:
    (folder / "wrong.yaml").write_text(SCENARIO)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, "wrong.yaml"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stderr
    return done.stdout


@pytest.mark.timeout(60)
@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["one process", "pytest-xdist"])
def test_a_check_that_failed_is_annotated_where_it_stands(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    told = [line for line in run_pytest(tmp_path, *workers).splitlines() if "::error" in line]

    (line,) = told
    assert line.startswith(
        f"::error file={tmp_path.name}/wrong.yaml,line=6,col=1,"
        "title=nobody listens%2C and all are served::"
    )
    assert "expected connected, got refused in 20 of 20 attempts%0A" in line


@pytest.mark.timeout(60)
def test_a_plugin_that_annotates_whatever_fails_is_left_to_it(tmp_path: Path) -> None:
    (tmp_path / "pytest_github_actions_annotate_failures.py").write_text("")

    out = run_pytest(tmp_path, "-p", "pytest_github_actions_annotate_failures")

    assert "::error" not in out
