"""Turns the labkit plugin on for this repository's own tests."""

from __future__ import annotations

import pytest

from labkit import pytest_plugin

# Scenario files below tests/ are data: recorded clusters and broken manifests.
collect_ignore_glob = ["tests/*.yaml"]


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the plugin unless its entry point did: it is an error to have it twice."""
    if not pluginmanager.is_registered(pytest_plugin):
        pluginmanager.register(pytest_plugin, "labkit")


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test starts is no step of the workflow that runs the tests."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
