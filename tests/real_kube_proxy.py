"""Where a real kube-proxy is found: on PATH, or where `make kube-proxy` keeps what it has built."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

BUILT = "kube-proxy-1.20.2"


def built() -> Path:
    """The program that scripts/kube-proxy builds; it need not be there."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache, "labkit", BUILT)


def kube_proxy() -> Path:
    """The kube-proxy to test with; the calling test is skipped where there is none."""
    if found := shutil.which("kube-proxy"):
        return Path(found)
    if os.access(built(), os.X_OK):
        return built()
    pytest.skip("no kube-proxy on this machine; run: make kube-proxy")
