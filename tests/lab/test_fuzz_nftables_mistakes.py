"""The fuzzer finds every one of these mistakes in nftables rules."""

from __future__ import annotations

import pytest

from labkit.dataplane.nftables.apply import NftablesPlane
from labkit.fuzz.block import Block, run_block
from tests.lab.mutants import Mistake, Mistaken

MISTAKES = [
    Mistake(name="no SNAT", chain="masquerading", rule="meta mark"),
    Mistake(name="no hairpin", chain="masquerading", rule="@hairpin-connections"),
    Mistake(name="pods that have no hairpin", chain="hairpin-connections", rule="tcp"),
    Mistake(
        name="calls of a ClusterIP from outside the pod network keep their source",
        chain="services",
        rule="masquerade clusterIP traffic",
    ),
    Mistake(
        name="outside calls keep their source", chain="external-.*", rule='comment "masquerade"'
    ),
    Mistake(name="no short circuit for pods", chain="external-.*", rule="short-circuit pod"),
    Mistake(name="no short circuit for nodes", chain="external-.*", rule="short-circuit local"),
    Mistake(
        name="externalTrafficPolicy: Local is ignored",
        chain="external-.*",
        rule="goto local-",
        becomes="goto service-",
    ),
    Mistake(
        name="without endpoints calls are dropped",
        chain="reject-chain",
        rule="^reject$",
        becomes="drop",
    ),
    Mistake(name="calls without endpoints are let go", chain="no-endpoint-services", rule="tcp"),
    Mistake(name="source ranges keep nobody out", chain="firewall-.*", rule="drop"),
    Mistake(
        name="one endpoint never gets a call",
        chain="(service|local)-.*",
        rule=r"random mod \d+",
        becomes="random mod 1",
    ),
    Mistake(
        name="calls arrive at the next port",
        chain="endpoint-.*",
        rule=r"(dnat to \S+):80$",
        becomes=r"\1:81",
    ),
    Mistake(name="NodePorts of UDP are forgotten", chain="service-nodeports", rule="udp"),
    Mistake(name="other ports of a ClusterIP", chain="cluster-ips-check", rule="reject"),
    Mistake(name="no session affinity", chain="endpoint-.*", rule="update @"),
]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_in_nftables_rules_is_found(mistake: Mistake) -> None:
    block = Block(seed=1, count=500, dataplane="nftables", shrink=False)

    result = run_block(block, plane=Mistaken(NftablesPlane(), mistake))

    assert result.failure is not None
