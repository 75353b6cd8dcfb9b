"""Guests are started as a user starts them: by a process of its own, on this machine."""

from __future__ import annotations

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.guest.choose import machine
from labkit.kernel.guest.exchange import kernel_kind


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what needs User-Mode Linux where it is not installed; fail if it is required."""
    if item.get_closest_marker("needs_uml") is None:
        return
    if kernel_kind() != "host":
        pytest.skip("a guest starts no guests")
    try:
        machine("uml")
    except MissingFeature as missing:
        if missing.feature in item.config.getoption("--labkit-require"):
            pytest.fail(f"required here, and missing: {missing}", pytrace=False)
        pytest.skip(str(missing))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs_uml: skip unless User-Mode Linux is installed")
