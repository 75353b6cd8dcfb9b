"""A browser's window, and what must be true of every page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
WIDE, NARROW = 1280, 390


def program() -> str:
    """Return the browser's path; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no chromium; apt-get install chromium")
    return found


class Opened:
    """A window."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        """What the browser has written to its console, and scripts that failed."""
        self.asked: list[str] = []
        """Everything that was asked for, the pages included."""
        self._folder = folder
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.asked.append(request.url))

    def show(self, html: str) -> None:
        """Open a page from disk."""
        file = self._folder / "page.html"
        file.write_text(html, encoding="utf-8")
        self.page.goto(file.as_uri())

    def rows(self, table: int = 0) -> Locator:
        """The rows of a table that are in sight of the filter."""
        return self.page.locator("table").nth(table).locator("tbody tr:not(.group):not([hidden])")

    def set_up(self, width: int, scheme: Literal["light", "dark"] = "light") -> None:
        """Give the window a width and its reader a preference."""
        self.page.set_viewport_size({"width": width, "height": 800})
        self.page.emulate_media(color_scheme=scheme)

    @property
    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        found: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return found

    def number(self, script: str) -> float:
        """The number that an expression is."""
        found: float = self.page.evaluate(script)
        return found


@contextmanager
def opened(browser: Browser, folder: Path) -> Iterator[Opened]:
    """Open a window; when it closes, nothing may have been complained of or fetched."""
    context = browser.new_context(offline=True)
    window = Opened(context.new_page(), folder)
    yield window
    context.close()
    assert window.complaints == []
    assert [url for url in window.asked if not url.startswith("file:")] == []
