"""The page of every scenario opens in a browser without an error, wide and narrow."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.lab.runs import Ran, Request, run_all, scenario_files
from labkit.manifest.load import load_each
from labkit.report import render_results
from tests.browser.opened import NARROW, WIDE, Opened

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.yaml"))


@pytest.fixture(scope="module")
def runs() -> dict[str, Ran]:
    """Every scenario run on this kernel; what it lacks is an error on the page, as for a user."""
    scenarios = load_each(scenario_files([ROOT / "scenarios"]))
    requests = [Request(scenario=each, evidence=True) for each in scenarios]
    found = run_all(requests, jobs=8)
    return {Path(ran.result.path).stem: ran for ran in found}


def shown(*runs: Ran) -> str:
    return render_results(
        [ran.result for ran in runs], "html", evidence=[ran.evidence for ran in runs]
    )


@pytest.mark.timeout(180)  # the first one runs them all
@pytest.mark.parametrize("name", [path.stem for path in SCENARIOS])
def test_the_page_of_a_scenario_opens_without_an_error(
    page: Opened, runs: dict[str, Ran], name: str
) -> None:
    ran = runs[name]

    for width in (WIDE, NARROW):
        page.set_up(width)
        page.show(shown(ran))
        assert page.overflow == 0

    assert page.page.locator("h2").first.inner_text().endswith(ran.result.scenario)
    if ran.evidence is not None:
        assert page.page.locator("svg.topology").count() == 1
        assert page.page.get_by_text("Rules of ").count() == len(ran.evidence.cluster.nodes)


@pytest.mark.timeout(180)
def test_all_scenarios_are_on_one_page(page: Opened, runs: dict[str, Ran]) -> None:
    page.set_up(WIDE)
    page.show(shown(*runs.values()))

    assert page.page.locator("main > section").count() == len(SCENARIOS)
    ids = page.page.evaluate("Array.from(document.querySelectorAll('[id]'), (each) => each.id)")
    assert len(ids) == len(set(ids))
    assert page.overflow == 0


@pytest.mark.timeout(180)
def test_a_link_opens_the_scenario_that_it_leads_to(page: Opened, runs: dict[str, Ran]) -> None:
    page.set_up(WIDE)
    page.show(shown(runs["udp"], runs["hairpin"]))
    topology = page.page.locator("svg.topology").nth(1)
    assert not topology.is_visible()

    page.page.evaluate("location.hash = '#s2'")

    topology.wait_for(state="visible")
