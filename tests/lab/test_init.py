"""What ``labkit init`` writes passes at once, with `labkit run` and with pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LABKIT = str(Path(sys.executable).parent / "labkit")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_both_pass(tmp_path: Path) -> None:
    run(tmp_path, LABKIT, "init", "labs/web.yaml")
    assert "1 scenario, 2 checks: 2 passed" in run(tmp_path, LABKIT, "run", "labs/web.yaml")
    # -c: the settings of a folder above are not those of a new user.
    told = run(tmp_path, sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "labs")
    assert "4 passed" in told
