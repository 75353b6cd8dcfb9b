"""Which UDP flows nodes forget when endpoints change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Protocol
from labkit.dataplane.conntrack import stale_flows
from labkit.kernel.conntrack import TrackedFlow
from tests.unit.dataplane.clusters import (
    CLIENT,
    CLUSTER_IP,
    EXTERNAL_IP,
    HERE,
    LB_IP,
    LOCAL,
    NODE1,
    NODE_PORT,
    P80,
    THERE,
    WEB,
    cluster,
    terminating,
)

DNS = replace(WEB, ports=(replace(P80, protocol=Protocol.UDP),))
ADDRESSES = [(CLUSTER_IP, 80), (EXTERNAL_IP, 80), (LB_IP, 80), (NODE1.address, NODE_PORT)]


def flow(destination: IPv4Address, dport: int, *, answered_by: IPv4Address) -> TrackedFlow:
    return TrackedFlow(
        source=CLIENT,
        sport=12345,
        destination=destination,
        dport=dport,
        reply_source=answered_by,
        reply_sport=80,
        reply_destination=CLIENT,
        reply_dport=12345,
    )


@pytest.mark.parametrize(("address", "port"), ADDRESSES)
def test_a_flow_to_an_endpoint_that_is_gone_is_stale(address: IPv4Address, port: int) -> None:
    tracked = flow(address, port, answered_by=THERE.address)

    assert stale_flows(cluster(DNS, endpoints=[HERE]), [tracked]) == (tracked,)


@pytest.mark.parametrize(("address", "port"), ADDRESSES)
def test_a_flow_to_an_endpoint_that_serves_goes_on(address: IPv4Address, port: int) -> None:
    tracked = flow(address, port, answered_by=HERE.address)

    assert stale_flows(cluster(DNS), [tracked]) == ()


def test_a_flow_to_a_pod_that_ends_and_serves_goes_on() -> None:
    tracked = flow(CLUSTER_IP, 80, answered_by=HERE.address)

    assert stale_flows(cluster(DNS, endpoints=[terminating(HERE), THERE]), [tracked]) == ()


def test_a_flow_that_was_not_translated_is_stale_once_there_are_endpoints() -> None:
    tracked = flow(CLUSTER_IP, 80, answered_by=CLUSTER_IP)

    assert stale_flows(cluster(DNS), [tracked]) == (tracked,)


def test_an_endpoint_whose_port_changed_is_another_one() -> None:
    tracked = flow(CLUSTER_IP, 80, answered_by=HERE.address)

    assert stale_flows(cluster(DNS, endpoints=[replace(HERE, port=81)]), [tracked]) == (tracked,)


def test_a_service_without_endpoints_keeps_its_flows() -> None:
    tracked = flow(CLUSTER_IP, 80, answered_by=HERE.address)

    assert stale_flows(cluster(DNS, endpoints=[]), [tracked]) == ()


def test_a_policy_is_for_new_flows() -> None:
    tracked = flow(NODE1.address, NODE_PORT, answered_by=THERE.address)
    local = replace(DNS, external_traffic_policy=LOCAL)

    assert stale_flows(cluster(local), [tracked]) == ()


@pytest.mark.parametrize("destination", [CLUSTER_IP + 1, CLIENT])
def test_flows_to_others_are_left_alone(destination: IPv4Address) -> None:
    tracked = flow(destination, 80, answered_by=destination)

    assert stale_flows(cluster(DNS), [tracked]) == ()


def test_udp_flows_to_the_same_port_of_a_tcp_service_are_left_alone() -> None:
    tracked = flow(CLUSTER_IP, 80, answered_by=CLUSTER_IP)

    assert stale_flows(cluster(WEB), [tracked]) == ()
