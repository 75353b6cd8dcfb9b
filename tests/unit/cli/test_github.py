"""In a step of a GitHub workflow the runner is told; elsewhere nothing is."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cli.github import tell_github
from labkit.report.github import ROOM_FOR_SUMMARY
from tests.unit.report.examples import failing, passing, result

RESULTS = [result(passing(), failing())]


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A step in a workspace; returns the file of its summary."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    return tmp_path / "summary.md"


def test_errors_go_to_stderr_and_the_report_to_the_summary(
    step: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step.write_text("before\n", encoding="utf-8")

    tell_github(RESULTS)

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("::error file=scenarios/demo.yaml,line=51,")
    assert step.read_text(encoding="utf-8").startswith("before\n\n## ✘ demo\n")


def test_a_file_is_named_by_its_path_in_the_repository(
    step: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = step.parent / "labs"
    folder.mkdir()
    monkeypatch.chdir(folder)

    tell_github(RESULTS)

    assert "file=labs/scenarios/demo.yaml," in capsys.readouterr().err


def test_a_summary_that_is_nearly_full_stays_shorter_than_github_takes(step: Path) -> None:
    step.write_bytes(b"x" * (ROOM_FOR_SUMMARY - 100))

    tell_github(RESULTS)

    assert step.stat().st_size <= ROOM_FOR_SUMMARY


@pytest.mark.usefixtures("step")
def test_a_summary_that_cannot_be_written_is_told_and_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))

    tell_github(RESULTS)

    assert f"GITHUB_STEP_SUMMARY {tmp_path}: Is a directory" in capsys.readouterr().err


def test_elsewhere_nothing_is_told(
    step: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS")

    tell_github(RESULTS)

    assert capsys.readouterr() == ("", "")
    assert not step.exists()
