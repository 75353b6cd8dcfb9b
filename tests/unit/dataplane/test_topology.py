"""Which endpoints a node uses: policies, hints, and pods that end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labkit.cluster.model import Endpoint, Service
from labkit.cluster.topology import Categorized, HealthCheck, categorize, health_checks
from tests.unit.dataplane.clusters import (
    HERE,
    LOCAL,
    NODE1,
    NODE2,
    P80,
    THERE,
    WEB,
    cluster,
    ready,
    terminating,
)

LOCAL_OUTSIDE = replace(WEB, external_traffic_policy=LOCAL)
LOCAL_INSIDE = replace(WEB, internal_traffic_policy=LOCAL)
INTERNAL = replace(WEB, external_ips=(), ingress=(), ports=(replace(P80, node_port=None),))
"""A Service that has a cluster IP only."""


def on_node1(service: Service, *endpoints: Endpoint) -> Categorized:
    return categorize(service, service.ports[0], endpoints, NODE1)


def on_node2(service: Service, *endpoints: Endpoint) -> Categorized:
    return categorize(service, service.ports[0], endpoints, NODE2)


# --- policies ---


def test_without_endpoints_there_is_nothing() -> None:
    assert on_node1(LOCAL_OUTSIDE) == Categorized()


def test_under_cluster_every_endpoint_is_used_and_none_is_local() -> None:
    assert on_node1(WEB, HERE, THERE) == Categorized(
        cluster=(HERE, THERE), reachable=(HERE, THERE), has_any=True
    )


def test_external_local_needs_all_endpoints_too_for_traffic_from_inside() -> None:
    assert on_node1(LOCAL_OUTSIDE, HERE, THERE) == Categorized(
        cluster=(HERE, THERE), local=(HERE,), reachable=(HERE, THERE), has_any=True
    )


def test_internal_local_alone_never_leaves_the_node() -> None:
    service = replace(INTERNAL, internal_traffic_policy=LOCAL)

    assert on_node1(service, HERE, THERE) == Categorized(
        local=(HERE,), reachable=(HERE,), has_any=True
    )


def test_a_node_without_an_endpoint_still_knows_that_others_have_one() -> None:
    service = replace(INTERNAL, internal_traffic_policy=LOCAL)

    assert on_node1(service, THERE) == Categorized(has_any=True)


def test_external_local_does_not_matter_without_an_external_address() -> None:
    service = replace(INTERNAL, external_traffic_policy=LOCAL)

    assert on_node1(service, HERE, THERE).local == ()


# --- pods that are not ready, or end (KEP-1669) ---


@pytest.mark.parametrize("service", [WEB, LOCAL_OUTSIDE, LOCAL_INSIDE])
def test_a_ready_pod_is_preferred_to_one_that_ends(service: Service) -> None:
    other = replace(HERE, address=HERE.address + 1)

    found = on_node1(service, HERE, terminating(other))

    assert found.cluster == (HERE,)
    assert found.reachable == (HERE,)


def test_pods_that_end_and_still_serve_are_used_if_no_pod_is_ready() -> None:
    ending = terminating(HERE), terminating(THERE)

    assert on_node1(WEB, *ending).cluster == ending


def test_under_local_a_node_falls_back_by_itself() -> None:
    found = on_node1(LOCAL_OUTSIDE, terminating(HERE), THERE)

    assert found.cluster == (THERE,)
    assert found.local == (terminating(HERE),)
    assert found.reachable == (terminating(HERE), THERE)


def test_pods_that_end_and_do_not_serve_are_no_endpoints() -> None:
    ended = terminating(HERE, serving=False), terminating(THERE, serving=False)

    assert on_node1(LOCAL_OUTSIDE, *ended) == Categorized()


def test_a_pod_that_is_not_ready_and_does_not_end_is_no_endpoint() -> None:
    unready = replace(HERE, ready=False, serving=True)

    assert on_node1(WEB, unready) == Categorized()


# --- hints (KEP-2433, KEP-3015) ---


def test_zone_hints_keep_traffic_in_the_zone() -> None:
    here, there = ready(HERE, zones="zone1"), ready(THERE, zones="zone2")

    assert on_node1(WEB, here, there).cluster == (here,)
    assert on_node2(WEB, here, there).cluster == (there,)


def test_an_endpoint_may_be_meant_for_several_zones() -> None:
    here = ready(HERE, zones="zone1 zone2")

    assert on_node2(WEB, here).cluster == (here,)


def test_zone_hints_are_ignored_if_one_endpoint_has_none() -> None:
    here = ready(HERE, zones="zone1")

    assert on_node1(WEB, here, THERE).cluster == (here, THERE)


def test_zone_hints_are_ignored_if_none_is_for_this_zone() -> None:
    here, there = ready(HERE, zones="zone9"), ready(THERE, zones="zone9")

    assert on_node1(WEB, here, there).cluster == (here, there)


def test_zone_hints_are_ignored_on_a_node_without_a_zone() -> None:
    here, there = ready(HERE, zones="zone1"), ready(THERE, zones="zone2")

    found = categorize(WEB, P80, (here, there), replace(NODE1, zone=None))

    assert found.cluster == (here, there)


def test_hints_of_pods_that_are_not_ready_do_not_count() -> None:
    here, there = ready(HERE, zones="zone1"), terminating(THERE)

    assert on_node1(WEB, here, there).cluster == (here,)
    assert on_node2(WEB, here, there).cluster == (here,)


def test_node_hints_come_before_zone_hints() -> None:
    here = ready(HERE, zones="zone1", nodes="node1")
    near = ready(replace(HERE, address=HERE.address + 1), zones="zone1", nodes="node3")

    assert on_node1(WEB, here, near).cluster == (here,)


def test_without_a_hint_for_this_node_its_zone_counts() -> None:
    here = ready(HERE, zones="zone1", nodes="node3")
    there = ready(THERE, zones="zone2", nodes="node2")

    assert on_node1(WEB, here, there).cluster == (here,)


def test_node_hints_are_ignored_if_one_endpoint_has_none() -> None:
    here = ready(HERE, nodes="node1")

    assert on_node1(WEB, here, THERE).cluster == (here, THERE)


def test_a_local_policy_does_not_ask_for_hints() -> None:
    here, there = ready(HERE, zones="zone2"), ready(THERE, zones="zone1")

    found = on_node1(LOCAL_OUTSIDE, here, there)

    assert (found.cluster, found.local) == ((there,), (here,))
    assert found.reachable == (here, there)


def test_the_fallback_to_pods_that_end_looks_in_every_zone() -> None:
    ending = terminating(ready(HERE, zones="zone1")), terminating(ready(THERE, zones="zone2"))

    assert on_node1(WEB, *ending).cluster == ending


# --- health check ports ---

CHECKED = replace(LOCAL_OUTSIDE, health_check_node_port=31000)


def test_a_health_check_counts_the_ready_endpoints_of_its_node() -> None:
    lab = cluster(CHECKED)

    assert health_checks(lab, NODE1) == (
        HealthCheck(service=CHECKED.key, port=31000, local_endpoints=1),
    )


def test_a_health_check_fails_while_the_nodes_pods_end_though_they_serve() -> None:
    (check,) = health_checks(cluster(CHECKED, endpoints=[terminating(HERE)]), NODE1)

    assert check.local_endpoints == 0


def test_a_health_check_counts_an_address_once_for_all_its_ports() -> None:
    metrics = replace(P80, name="metrics", port=9090, node_port=30090)
    service = replace(CHECKED, ports=(P80, metrics))

    (check,) = health_checks(cluster(service), NODE1)

    assert check.local_endpoints == 1


def test_services_without_a_health_check_port_serve_none() -> None:
    assert health_checks(cluster(WEB), NODE1) == ()
