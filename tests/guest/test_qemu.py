"""Virtual machines: what User-Mode Linux lacks is there."""

from __future__ import annotations

import json

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.guest.choose import machine
from labkit.kernel.guest.exchange import kernel_kind
from tests.guest.guests import run_labkit

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _qemu() -> None:
    if kernel_kind() != "host":
        pytest.skip("a guest starts no guests")
    try:
        machine("qemu")
    except MissingFeature as missing:
        pytest.skip(str(missing))


def test_one_kernel_has_ipvs_and_nftables() -> None:
    done = run_labkit("doctor", "--kernel", "qemu", "-o", "json")

    assert done.returncode == 0, done.stdout + done.stderr
    found = {each["name"]: each["available"] for each in json.loads(done.stdout)["features"]}
    assert {name for name in ("ip_vs", "dummy", "ipset", "nftables", "netem") if found[name]} == {
        *("ip_vs", "dummy", "ipset", "nftables", "netem")
    }
