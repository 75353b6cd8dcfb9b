"""Every flow of every scenario ends as the specification model says, under every data plane."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.errors import MissingFeature
from labkit.kernel.features import require
from labkit.kernel.netns import Edge
from labkit.lab.conformance import scenarios_conform
from labkit.lab.runs import Request
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load_each

SCENARIOS = sorted((Path(__file__).parents[2] / "scenarios").glob("*.yaml"))
LABS_AT_A_TIME = 6


def runnable(scenario: Scenario, dataplane: str) -> bool:
    """Whether this kernel has what a scenario needs; its own test says what is missing."""
    needs = Request(scenario=scenario, dataplane=dataplane).needs
    try:
        with Edge() as edge:
            require(edge, sorted(set(needs)))
    except MissingFeature:
        return False
    return True


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "dataplane",
    [
        "iptables",
        "nftables",
        pytest.param("ipvs", marks=pytest.mark.labkit_needs("ip_vs")),
    ],
)
def test_every_flow_is_as_specified(dataplane: str) -> None:
    scenarios = [each for each in load_each(SCENARIOS) if runnable(each, dataplane)]
    requests = [Request(scenario=scenario, dataplane=dataplane) for scenario in scenarios]
    # IPVS loses SCTP associations where several labs share a kernel: docs/dataplanes.md.
    alone = [request for request in requests if "sctp" in request.needs]
    together = [request for request in requests if request not in alone]

    found = scenarios_conform(together, jobs=LABS_AT_A_TIME)
    found += scenarios_conform(alone, jobs=1)

    wrong = {each.result.scenario: each.unexplained for each in found if each.unexplained}
    assert wrong == {}
    assert [each.result.error for each in found if each.result.error] == []
    assert len(found) >= len(SCENARIOS) - 1  # all but SCTP, where a kernel has none
