"""docs/performance.md shows what bench/results/ holds, and nothing else in its tables."""

from __future__ import annotations

import json
import re

from tests.performance_page import PAGE, PICTURES, PLACE, PLOTS, RESULTS, filled, report, source

SHOWN = PAGE.read_text()
STORED = sorted(path.name for path in RESULTS.glob("*.json"))


def test_the_tables_are_what_the_stored_results_render_to() -> None:
    assert filled(SHOWN) == SHOWN
    assert {place["file"] for place in PLACE.finditer(SHOWN)} == set(STORED)


def test_the_pictures_are_of_the_stored_results() -> None:
    for name in PICTURES:
        assert source(name) in (PLOTS / f"{name}.svg").read_text(encoding="utf-8")
        assert f"](plots/{name}.svg)" in SHOWN


def test_the_stored_results_are_whole_and_name_no_place_of_the_machine() -> None:
    for file in STORED:
        assert report(file).complete
        text = (RESULTS / file).read_text()
        assert not re.search(r"/(work|root|home|tmp)\b", text)
        assert json.loads(text)["schema"] == "labkit.dev/bench/v1"


def test_a_table_that_was_changed_is_noticed() -> None:
    place = PLACE.search(SHOWN)
    assert place is not None
    figure = re.search(r"\d+", place[0].partition("\n")[2])
    assert figure is not None
    wrong = place[0][: -len(place[0].partition("\n")[2])] + "| by hand |\n"
    changed = SHOWN.replace(place[0], wrong)
    assert changed != SHOWN
    assert filled(changed) == SHOWN
