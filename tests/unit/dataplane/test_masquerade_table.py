"""Packets walk through rendered rules as kube-proxy's own table says (tests/masquerade_table.py).

The kernel is asked in tests/lab/test_masquerade_table.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.masquerade_table import CHANGES, Asked, table
from tests.unit.dataplane.clusters import (
    BOTH,
    CLUSTER_IP,
    CONFIG,
    LB_IP,
    LOCAL,
    LOCALHOST,
    NODE1,
    NODE_PORT,
    ONLY_HERE,
    WEB,
    cluster,
    send,
)

SERVICES = {
    "Cluster": WEB,
    "eTP=Local": replace(WEB, external_traffic_policy=LOCAL),
    "iTP=Local": replace(WEB, internal_traffic_policy=LOCAL),
}
TARGETS = {
    "ClusterIP": (CLUSTER_IP, 80),
    "NodePort": (NODE1.address, NODE_PORT),
    "localhost": (LOCALHOST, NODE_PORT),
    "LB IP": (LB_IP, 80),
}
CONFIGS = {
    "default": CONFIG,
    "no detector": replace(CONFIG, cluster_cidr=None),
    "masqueradeAll": replace(CONFIG, masquerade_all=True),
    "both": replace(CONFIG, cluster_cidr=None, masquerade_all=True),
}
CASES = [
    pytest.param(config, asked, cell, id=f"{config}: {asked}")
    for config in CHANGES
    for asked, cell in table(config).items()
]


def test_the_table_has_thirty_flows_in_four_configurations() -> None:
    assert len(CASES) == 4 * 30


@pytest.mark.parametrize(("config", "asked", "want"), CASES)
def test_who_is_reached_and_who_is_masqueraded(config: str, asked: Asked, want: str) -> None:
    lab = cluster(SERVICES[asked.service], config=CONFIGS[config])

    sent = send(lab, asked.source, *TARGETS[asked.target])

    reached, _, snat = want.partition("+")
    assert sent.to == (BOTH if reached == "all" else ONLY_HERE)
    assert sent.masqueraded == bool(snat)
