"""Reports of what ran in a guest: the page and the job's summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guest.guests import run_labkit


@pytest.mark.needs_uml
@pytest.mark.timeout(120)
def test_a_guest_leaves_the_summary_of_a_job_to_the_command_outside(tmp_path: Path) -> None:
    summary, page = tmp_path / "summary.md", tmp_path / "page.html"
    step = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}

    done = run_labkit(
        "run", "--kernel", "uml", "scenarios/headless.yaml", "-o", f"html={page}", env=step
    )

    assert done.returncode == 0, done.stderr
    assert summary.read_text(encoding="utf-8").startswith("## ✔ headless\n")
    assert "(uml)" in page.read_text(encoding="utf-8")


@pytest.mark.needs_uml
@pytest.mark.timeout(120)
def test_a_guest_gathers_what_the_page_shows(tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    done = run_labkit("run", "--kernel", "uml", "scenarios/headless.yaml", "-o", f"html={page}")

    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    assert '<svg class="topology"' in text
    assert "Rules of node1" in text
