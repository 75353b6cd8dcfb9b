"""Where reports may go, and what a terminal is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from labkit.cli import cli

SCENARIO = str(Path(__file__).parents[3] / "scenarios/nodeport-cluster.yaml")


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (["svg", "mermaid"], "svg and mermaid both go to standard output"),
        (["svg=a.svg", "html=a.svg"], "svg and html both go to a.svg"),
        (["svg=a.svg", "html=./a.svg"], "svg and html both go to a.svg"),
    ],
)
def test_two_reports_in_one_place_are_refused(
    outputs: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word for each in outputs for word in ("-o", each)]

    done = CliRunner().invoke(cli, ["graph", SCENARIO, *words])

    assert done.exit_code == 2
    assert said in done.output
    assert list(tmp_path.iterdir()) == []


def test_reports_in_places_of_their_own_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(cli, ["graph", SCENARIO, "-o", "svg=a.svg", "-o", "mermaid"])

    assert done.exit_code == 0
    assert (tmp_path / "a.svg").exists()
