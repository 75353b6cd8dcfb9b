"""Pods that are being deleted: who still gets to them, and what the health check port says.

A pod that terminates serves on until it ends. Source: KEP-1669; the cases are those of
``test/e2e/network/service.go``.
"""

from __future__ import annotations

import pytest

import labkit
from labkit.semantics.traits import Trait
from tests.lab.changing import (
    CLUSTER_IP,
    LOCAL,
    TERMINATING,
    UNREADY,
    has,
    pod,
    service,
)

FLOWS = (("caller", f"{CLUSTER_IP}:80"), ("client", "node1:30080"), ("client", "node2:30080"))


def outcomes(cluster: labkit.Lab) -> set[str]:
    """What a pod's calls to the ClusterIP, and a client's to each node's NodePort, come to."""
    return {str(cluster.probe(source, to=to, attempts=5).outcome) for source, to in FLOWS}


@pytest.fixture
def caller(cluster: labkit.Lab) -> labkit.Lab:
    """The lab with a pod on each node that calls and serves nothing."""
    cluster.add_pod("caller", node="node1", labels={"app": "caller"})
    cluster.add_pod("caller-2", node="node2", labels={"app": "caller"})
    return cluster


def test_unready_pods_that_terminate_are_served_only_if_they_are_published(
    caller: labkit.Lab,
) -> None:
    pod(caller, "web-1", "node1", {**UNREADY, **TERMINATING})
    for _ in range(2):
        service(caller, clusterIP=CLUSTER_IP, publishNotReadyAddresses=True)
        assert outcomes(caller) == {"connected"}

        service(caller, clusterIP=CLUSTER_IP)
        assert outcomes(caller) == {"refused"}


def test_ready_pods_come_before_those_that_terminate(caller: labkit.Lab) -> None:
    service(caller, clusterIP=CLUSTER_IP)
    pod(caller, "web-2", "node2")
    assert caller.probe("caller", to="web:80").backends.keys() == {"web-1", "web-2"}

    pod(caller, "web-1", "node1", TERMINATING)
    assert caller.probe("caller", to="web:80").backends.keys() == {"web-2"}

    pod(caller, "web-2", "node2", UNREADY)
    assert caller.probe("caller", to="web:80").backends.keys() == {"web-1"}


def test_with_cluster_policies_a_terminating_pod_serves_everybody_if_none_is_ready(
    caller: labkit.Lab,
) -> None:
    service(caller, clusterIP=CLUSTER_IP)
    assert outcomes(caller) == {"connected"}

    pod(caller, "web-1", "node1", TERMINATING)
    assert outcomes(caller) == {"connected"}

    caller.remove("Pod", "web-1")
    assert outcomes(caller) == {"refused"}


def test_with_a_local_internal_policy_a_terminating_pod_serves_its_node(
    caller: labkit.Lab,
) -> None:
    pod(caller, "web-1", "node1", TERMINATING)
    service(caller, clusterIP=CLUSTER_IP, internalTrafficPolicy=LOCAL)

    assert caller.probe("caller", to="web:80").backends.keys() == {"web-1"}
    elsewhere = "connected" if has(caller, Trait.FALLS_BACK) else "timeout"
    assert caller.probe("caller-2", to="web:80").outcome == elsewhere


def test_with_a_local_external_policy_a_terminating_pod_serves_its_node(
    caller: labkit.Lab,
) -> None:
    pod(caller, "web-1", "node1", TERMINATING)
    service(caller, externalTrafficPolicy=LOCAL)

    seen = caller.probe("client", to="node1:30080")
    assert seen.backends.keys() == {"web-1"}
    assert seen.client_sources == {"preserved"}
    assert caller.probe("client", to="node2:30080").outcome == "timeout"


def test_a_local_policy_prefers_the_nodes_own_terminating_pod_to_ready_ones_elsewhere(
    caller: labkit.Lab,
) -> None:
    pod(caller, "web-1", "node1", TERMINATING)
    pod(caller, "web-2", "node2")
    service(caller, externalTrafficPolicy=LOCAL)

    assert caller.probe("client", to="node1:30080").backends.keys() == {"web-1"}
    assert caller.probe("client", to="node2:30080").backends.keys() == {"web-2"}


def test_the_health_check_fails_where_only_terminating_pods_serve(caller: labkit.Lab) -> None:
    service(caller, type="LoadBalancer", externalTrafficPolicy=LOCAL, healthCheckNodePort=30100)

    def healthy() -> dict[str, int]:
        return {each.node: each.status for each in caller.matrix(["client"]).health_checks}

    assert healthy() == {"node1": 200, "node2": 503}

    pod(caller, "web-1", "node1", TERMINATING)

    assert healthy() == {"node1": 503, "node2": 503}
    assert caller.probe("client", to="node1:30080").backends.keys() == {"web-1"}
