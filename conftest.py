"""Turns the labkit plugin on for this repository's own tests."""

from __future__ import annotations

from importlib import import_module

import pytest

# Scenario files below tests/ are data: recorded clusters and broken manifests.
collect_ignore_glob = ["tests/*.yaml"]


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Register the plugin unless its entry point did: it is an error to have it twice."""
    if not pluginmanager.has_plugin("labkit"):
        pluginmanager.register(import_module("labkit.pytest_plugin"), "labkit")
