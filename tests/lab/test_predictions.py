"""What a data plane was predicted to make of each flow is what its lab shows.

Names of differences rest on these predictions.
"""

from __future__ import annotations

import pytest

from labkit.lab.lab import Lab
from labkit.probe.compare import flow_of, seen_of
from labkit.pytest_plugin import LabFactory
from labkit.semantics.flows import fits
from labkit.semantics.predict import predict
from labkit.semantics.traits import traits_of
from tests.many_policies import VARIANTS, every_policy

SOME = ("plain", "without clusterCIDR", "NodePorts on the LAN", "client behind a router")
CASES = [
    *(("iptables", variant) for variant in VARIANTS),
    *(("nftables", variant) for variant in (*SOME, "NodePorts on bridges and localhost")),
    *(("ipvs", variant) for variant in (*SOME, "without CNI masquerade")),
    ("none", "plain"),
]
"""A lab takes seconds: what is the same under all data planes is tried under one."""


def surprises(lab: Lab) -> list[str]:
    """Flows that a running lab shows otherwise than predicted, one line each."""
    rows = [(row, flow_of(lab.cluster, row)) for row in lab.matrix().flows]
    asked = [(row, flow) for row, flow in rows if flow is not None]
    assert asked
    traits = traits_of(lab.cluster.dataplane, lab.cluster.real_kube_proxy)
    found = []
    for row, flow in asked:
        prediction = predict(lab.cluster, flow, traits)
        if prediction is None or not fits(prediction, seen_of(row)):
            found.append(f"{row.source} to {row.service} {row.address}: {row} not {prediction}")
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("dataplane", "variant"), CASES)
def test_every_flow_is_as_predicted(dataplane: str, variant: str, lab: LabFactory) -> None:
    scenario = every_policy(**VARIANTS[variant])

    assert surprises(lab(scenario, dataplane=dataplane)) == []
