"""What needs SCTP, run in a guest where this machine has none."""

from __future__ import annotations

import json

import pytest

from tests.guest.guests import run_labkit
from tests.guest.ipvs_parts import has


@pytest.mark.needs_uml
@pytest.mark.timeout(120)
def test_a_scenario_that_speaks_sctp_runs_where_a_kernel_has_it() -> None:
    if has("sctp"):
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
