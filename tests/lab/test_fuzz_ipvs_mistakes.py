"""The fuzzer finds every one of these mistakes in what IPVS mode keeps."""

from __future__ import annotations

import pytest

from labkit.dataplane.ipvs.apply import IpvsPlane
from labkit.fuzz.block import Block, run_block
from tests.lab.mutants import SERVERS, Mistake, Mistaken

pytestmark = pytest.mark.labkit_needs("ip_vs")

MISTAKES = [
    Mistake(name="no SNAT", chain="KUBE-POSTROUTING", rule="requiring SNAT"),
    Mistake(name="no hairpin", chain="KUBE-LOOP-BACK", rule="tcp"),
    Mistake(
        name="calls of a ClusterIP from outside the pod network keep their source",
        chain="KUBE-SERVICES",
        rule="cluster ip \\+ port for masquerade",
    ),
    Mistake(name="endpoints of UDP are forgotten", chain=SERVERS, rule="^-a -u"),
]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_what_ipvs_mode_keeps_is_found(mistake: Mistake) -> None:
    block = Block(seed=1, count=300, dataplane="ipvs", nodes=3, shrink=False)

    result = run_block(block, plane=Mistaken(IpvsPlane(), mistake))

    assert result.failure is not None
