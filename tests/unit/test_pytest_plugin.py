"""What is wrong with the plugin's options is told in one line, before any test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HAIRPIN = "scenarios/hairpin.yaml"


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (
            "--labkit-dataplane=iptable",
            "ERROR: --labkit-dataplane iptable does not exist; did you mean iptables? there are: ",
        ),
        (
            "--labkit-proxy-mode=nope",
            "ERROR: --labkit-proxy-mode nope does not exist; there are: iptables, ipvs, nftables",
        ),
        (
            "--labkit-require=vxlann",
            "ERROR: --labkit-require vxlann does not exist; did you mean vxlan? there are: ",
        ),
    ],
)
def test_an_option_that_names_nothing_is_a_usage_error(option: str, line: str) -> None:
    done = run_pytest("--collect-only", option, HAIRPIN)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.strip().startswith(line)
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_feature_that_does_not_exist_fails_its_test_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text("import pytest\n\n@pytest.mark.labkit_needs('vxlann')\ndef test_it(): pass\n")
    done = run_pytest("--rootdir", str(tmp_path), "-p", "conftest", str(file))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "feature 'vxlann' is unknown; did you mean vxlan?" in done.stdout
    assert "Traceback" not in done.stdout
    assert "features.py" not in done.stdout
