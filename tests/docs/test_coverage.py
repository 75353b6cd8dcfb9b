"""docs/coverage.md is made of docs/coverage.toml and its own last table, and names what exists."""

from __future__ import annotations

import re
from itertools import chain

from tests.coverage_page import PAGE, PLANES, ROOT, TEST, coverage, page, read_seen

WANTED = coverage()
SCENARIOS = {path.stem for path in (ROOT / "scenarios").glob("*.yaml")}
DEFINED = re.compile(r"^def (test_\w+)\(", re.MULTILINE)


def test_the_page_is_made_of_the_toml_and_holds_every_scenario() -> None:
    text = PAGE.read_text()
    seen = read_seen(text)

    assert text == page(WANTED, seen)
    assert set(seen.words) == SCENARIOS
    assert seen.planes[: len(PLANES)] == PLANES
    # A kube-proxy of any age may differ; labkit's own rules may not.
    words = {word for each in seen.words.values() for word in each[: len(PLANES)]}
    assert words <= {"pass", "deviates", "not run"}


def test_every_behaviour_and_every_case_is_there() -> None:
    numbers = [each.id for each in WANTED.cases if each.id.isdecimal()]

    assert [each.number for each in WANTED.behaviours] == list(range(1, 42))
    assert numbers == [str(number) for number in range(1, 157)]
    assert len({each.id for each in WANTED.cases}) == len(WANTED.cases)


def test_every_item_is_shown_or_says_what_is_missing_or_why_it_cannot_be() -> None:
    for each in WANTED.items:
        assert each.by or each.missing or each.none, each
        assert not (each.none and (each.by or each.missing)), each


def test_every_scenario_and_test_that_is_named_exists() -> None:
    files = (ROOT / "tests").rglob("test_*.py")
    tests = set(chain.from_iterable(DEFINED.findall(path.read_text()) for path in files))
    named = {name for each in WANTED.items for name in each.by}

    assert {name for name in named if name.startswith(TEST)} <= tests
    assert {name for name in named if not name.startswith(TEST)} <= SCENARIOS


def test_every_scenario_is_named_by_a_row_or_as_one_more() -> None:
    named = {name for each in WANTED.items for name in each.scenarios}

    assert named | set(WANTED.more) == SCENARIOS
    assert not named & set(WANTED.more)
