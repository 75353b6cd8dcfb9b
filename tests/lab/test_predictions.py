"""What a data plane was predicted to make of each flow is what its lab shows.

Names of differences rest on these predictions.
"""

from __future__ import annotations

import pytest

from labkit.pytest_plugin import LabFactory
from tests.lab.predictions import surprises
from tests.many_policies import VARIANTS, every_policy

SOME = ("plain", "without clusterCIDR", "NodePorts on the LAN", "client behind a router")
CASES = [
    *(("iptables", variant) for variant in VARIANTS),
    *(("nftables", variant) for variant in (*SOME, "NodePorts on bridges and localhost")),
    *(("ipvs", variant) for variant in (*SOME, "without CNI masquerade")),
    ("none", "plain"),
]
"""A lab takes seconds: what is the same under all data planes is tried under one."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("dataplane", "variant"), CASES)
def test_every_flow_is_as_predicted(dataplane: str, variant: str, lab: LabFactory) -> None:
    scenario = every_policy(**VARIANTS[variant])

    assert surprises(lab(scenario, dataplane=dataplane)) == []
