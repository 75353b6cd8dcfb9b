"""What a guest measures is reported outside: its kernel, and what it lacks."""

from __future__ import annotations

import json

import pytest

from tests.guest.guests import run_labkit

pytestmark = [pytest.mark.needs_uml, pytest.mark.timeout(120)]
SYNC = ("bench", "sync", "--quick", "--kernel", "uml", "-o", "json", "--dataplane")


def test_ipvs_is_measured_in_a_guest_and_what_that_lacks_is_left_out() -> None:
    done = run_labkit(*SYNC, "ipvs,nftables")

    assert done.returncode == 0, done.stderr
    (run,) = json.loads(done.stdout)["runs"]
    assert run["machine"]["kernel"]["kind"] == "uml"
    assert {each["contestant"] for each in run["measurements"]} == {"ipvs"}
    assert [each["contestant"] for each in run["left_out"]] == ["nftables"]


def test_a_guest_that_lacks_all_that_is_asked_for_is_status_3() -> None:
    done = run_labkit(*SYNC, "nftables")

    assert done.returncode == 3
    assert "labkit: nftables: " in done.stderr
    assert done.stdout == ""
