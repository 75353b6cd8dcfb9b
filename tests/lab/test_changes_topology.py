"""A node and its own endpoint, which goes and comes back (e2e: traffic_distribution.go)."""

from __future__ import annotations

import pytest

from labkit.pytest_plugin import LabFactory


@pytest.mark.parametrize(
    "dataplane",
    ["iptables", "nftables", pytest.param("ipvs", marks=pytest.mark.labkit_needs("ip_vs"))],
)
def test_a_node_prefers_its_own_endpoint_while_it_has_one(lab: LabFactory, dataplane: str) -> None:
    cluster = lab("scenarios/topology-same-node.yaml", dataplane=dataplane)
    for _ in range(2):
        assert cluster.probe("in-2", to="web:80").backends.keys() == {"web-3"}

        # The zone's endpoints are node1's two.
        cluster.remove("Pod", "web-3")
        assert cluster.probe("in-2", to="web:80").backends.keys() == {"web-1", "web-2"}

        cluster.add_pod("web-3", node="node2", labels={"run": "web"}, ports=[80])
