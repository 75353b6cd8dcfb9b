"""A real browser, one for each file; pages are opened from disk, as their readers open them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.opened import Opened, opened, program


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Root may not have its sandbox; only our own pages are visited.

    It is closed before another file's tests run: until then Playwright has an event loop running in
    this thread, so that nobody else can have one (asyncio.run), or be interrupted by Ctrl-C.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Opened]:
    """A window in which nothing may go wrong, and nothing may be fetched."""
    with opened(browser, tmp_path) as window:
        yield window
