"""What several modules of lab tests start from."""

from __future__ import annotations

import pytest

import labkit
from labkit.pytest_plugin import LabFactory
from tests.lab.changing import pod, two_nodes


@pytest.fixture(
    params=["iptables", "nftables", pytest.param("ipvs", marks=pytest.mark.labkit_needs("ip_vs"))]
)
def cluster(lab: LabFactory, request: pytest.FixtureRequest) -> labkit.Lab:
    """Return two nodes and a client, with web-1 on node1, under one data plane after the other."""
    running = lab(two_nodes(), dataplane=request.param)
    pod(running, "web-1", "node1")
    return running
