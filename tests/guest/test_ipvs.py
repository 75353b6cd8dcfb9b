"""What needs IPVS or SCTP, run in a guest where this machine has none."""

from __future__ import annotations

import json

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.features import require
from labkit.kernel.netns import Edge
from tests.guest.guests import ROOT, run_labkit

FILES = {
    "rules": ("test_dataplane_ipvs.py", "test_truth.py", "test_masquerade_table.py"),
    "scenarios": ("test_scenarios_as_specified.py",),
    "fuzz": ("test_fuzz.py", "test_fuzz_ipvs_mistakes.py"),
    "changes": sorted(path.name for path in (ROOT / "tests" / "lab").glob("test_changes*.py")),
}
"""Of tests/lab; each part has a guest, and its time, of its own."""


@pytest.mark.needs_uml
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", FILES)
def test_what_needs_ipvs_passes_in_a_guest(part: str) -> None:
    if _has("ip_vs"):
        pytest.skip("this kernel has IPVS: the tests run here")

    required = ("--labkit-require", "ip_vs", "--labkit-require", "ipvs match")
    files = (f"tests/lab/{name}" for name in FILES[part])
    done = run_labkit("test", "--kernel", "uml", "-p", "no:xdist", *required, "-k", "ipvs", *files)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "skipped" not in done.stdout
    assert " passed" in done.stdout


@pytest.mark.needs_uml
@pytest.mark.timeout(120)
def test_a_scenario_that_speaks_sctp_runs_where_a_kernel_has_it() -> None:
    if _has("sctp"):
        pytest.skip("this kernel has SCTP: no guest is needed")
    files = ("scenarios/sctp.yaml", "scenarios/headless.yaml")

    done = run_labkit("run", "-q", "--dataplane", "iptables", "-o", "json", *files)
    results = {each["scenario"]: each for each in json.loads(done.stdout)["scenarios"]}

    assert done.returncode == 0, done.stderr
    assert {name: each["passed"] for name, each in results.items()} == {
        "sctp": True,
        "headless": True,
    }

    done = run_labkit("run", "-q", "--dataplane", "iptables,nftables", "--kernel", "uml", *files)

    assert done.returncode == 3
    assert " passed, 2 could not be run" in done.stdout
    assert "nftables: the uml guest has none" in done.stdout


def _has(feature: str) -> bool:
    try:
        with Edge() as edge:
            require(edge, [feature])
    except MissingFeature:
        return False
    return True
