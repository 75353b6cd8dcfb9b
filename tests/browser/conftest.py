"""A real browser, one for all tests; pages are opened from disk, as their readers open them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.opened import Opened, opened, program


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Root may not have its sandbox; only our own pages are visited."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """A window in which nothing may go wrong, and nothing may be fetched."""
    with opened(browser, tmp_path) as window:
        yield window
