"""docs/coverage.md names scenarios and tests that exist, in every row of docs/coverage.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = tomllib.loads((ROOT / "docs/coverage.toml").read_text())["rows"]


def test_every_row_has_a_number_of_its_own_and_is_in_the_table() -> None:
    table = (ROOT / "docs/coverage.md").read_text()

    assert [row["row"] for row in ROWS] == list(range(1, 42))
    for row in ROWS:
        assert f"| {row['row']} | {row['behaviour']} | {row['kind']} |" in table


def test_every_row_names_what_shows_it_or_what_is_missing() -> None:
    tests = (ROOT / "tests/lab/test_changes.py").read_text()
    for row in ROWS:
        assert row.get("by") or row.get("missing"), row
        for name in row.get("by", []):
            scenario = (ROOT / f"scenarios/{name}.yaml").exists()
            assert scenario if row["kind"] == "N" else f"def {name}(" in tests, name
