"""What the model says of health check ports: Kubernetes' end-to-end tests ask for the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import Endpoint
from labkit.semantics.health import health_status
from tests.unit.probe.clusters import NODES, cluster, endpoints, service

WEB = service()
(ON_NODE1,) = endpoints("web-1")


@pytest.mark.parametrize(
    ("endpoint", "node1", "node2"),
    [
        pytest.param(ON_NODE1, 200, 503, id="ready on node1"),
        pytest.param(replace(ON_NODE1, ready=False), 503, 503, id="not ready"),
        pytest.param(
            replace(ON_NODE1, ready=False, terminating=True), 503, 503, id="serves and terminates"
        ),
        pytest.param(replace(ON_NODE1, node=None), 503, 503, id="on no node"),
    ],
)
def test_only_a_ready_endpoint_of_its_own_makes_a_node_healthy(
    endpoint: Endpoint, node1: int, node2: int
) -> None:
    lab = cluster([WEB], {"web": [endpoint]})

    assert [health_status(lab, WEB, node) for node in NODES] == [node1, node2]
