"""Labs with the same addresses run side by side and agree."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LABKIT = str(Path(sys.executable).parent / "labkit")
SCENARIOS = ("nodeport-cluster", "nodeport-local", "no-endpoints", "snat-address")
LABS = 8


def verdicts(report: str) -> list[tuple[str, str, bool, list[tuple[str, list[str], list[str]]]]]:
    """What eight runs must agree on: everything but counts, times and order of luck."""
    return [
        (
            scenario["scenario"],
            check["name"],
            check["passed"],
            [
                (seen["outcome"], sorted(seen["backends"]), sorted(seen["sources_seen"]))
                for seen in check["observations"]
            ],
        )
        for scenario in json.loads(report)["scenarios"]
        for check in scenario["checks"]
    ]


@pytest.mark.timeout(120)
def test_eight_labs_with_the_same_addresses_agree() -> None:
    files = [str(ROOT / f"scenarios/{name}.yaml") for name in SCENARIOS]
    running = [
        subprocess.Popen(
            [LABKIT, "run", "-o", "json", *files], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for _ in range(LABS)
    ]

    reports = [process.communicate()[0] for process in running]

    assert [process.returncode for process in running] == [0] * LABS
    first, *others = [verdicts(report) for report in reports]
    assert first
    assert all(found == first for found in others)


@pytest.mark.timeout(120)
def test_eight_pytest_workers_pass_the_scenarios() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            str(LABS),
            "-p",
            "no:cacheprovider",
            "scenarios",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
