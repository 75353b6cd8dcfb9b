"""What happens to a packet: every kind of address and every option of a Service."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from labkit.cluster.model import Endpoint, Ingress, IPMode, Protocol, Service, ServiceType
from labkit.cluster.object_names import ObjectName, ServicePortName
from labkit.dataplane import names
from labkit.dataplane.iptables.render import render
from tests.unit.dataplane.clusters import (
    BOTH,
    CLIENT,
    CLUSTER_IP,
    EXTERNAL_IP,
    HERE,
    LB_IP,
    LOCAL,
    LOCALHOST,
    NODE1,
    NODE_PORT,
    ONLY_HERE,
    P80,
    THERE,
    WEB,
    cluster,
    send,
    terminating,
)

LOCAL_OUTSIDE = replace(WEB, external_traffic_policy=LOCAL)
LOCAL_INSIDE = replace(WEB, internal_traffic_policy=LOCAL)
OUTSIDE = [
    pytest.param(NODE1.address, NODE_PORT, id="NodePort"),
    pytest.param(EXTERNAL_IP, 80, id="externalIP"),
    pytest.param(LB_IP, 80, id="LoadBalancer"),
]
EVERYWHERE = [pytest.param(CLUSTER_IP, 80, id="ClusterIP"), *OUTSIDE]


# --- addresses ---


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
def test_every_address_leads_to_every_endpoint(address: IPv4Address, port: int) -> None:
    assert send(cluster(WEB), "client", address, port).to == BOTH


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
def test_another_port_is_not_translated(address: IPv4Address, port: int) -> None:
    sent = send(cluster(WEB), "client", address, port + 1)

    assert sent.to == frozenset()
    assert not sent.dropped


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
def test_another_protocol_is_not_translated(address: IPv4Address, port: int) -> None:
    sent = send(cluster(WEB), "client", address, port, protocol=Protocol.UDP)

    assert sent.to == frozenset()


def test_an_address_that_the_load_balancer_serves_itself_is_left_alone() -> None:
    proxied = replace(WEB, ingress=(Ingress(ip=LB_IP, ip_mode=IPMode.PROXY),))

    assert send(cluster(proxied), "pod", LB_IP).to == frozenset()
    assert send(cluster(proxied), "pod", NODE1.address, NODE_PORT).to == BOTH


@pytest.mark.parametrize("protocol", [Protocol.UDP, Protocol.SCTP])
def test_udp_and_sctp_are_served_as_tcp_is(protocol: Protocol) -> None:
    service = replace(WEB, ports=(replace(P80, protocol=protocol),))

    assert send(cluster(service), "client", CLUSTER_IP, protocol=protocol).to == BOTH
    assert send(cluster(service), "client", CLUSTER_IP).to == frozenset()


def test_endpoints_have_equal_chances() -> None:
    three = [replace(HERE, address=HERE.address + number) for number in range(3)]

    ways = send(cluster(WEB, endpoints=three), "pod", CLUSTER_IP).ways

    assert [way.probability for way in ways] == pytest.approx([1 / 3] * 3)


def test_a_third_is_written_as_iptables_prints_it() -> None:
    three = [replace(HERE, address=HERE.address + number) for number in range(3)]

    text = render(cluster(WEB, endpoints=three), NODE1).text()

    # From public listings of real nodes.
    assert "--probability 0.33333333349" in text
    assert "--probability 0.50000000000" in text


def test_a_pod_that_reaches_itself_is_masqueraded() -> None:
    sent = [
        way
        for way in send(cluster(WEB, endpoints=[HERE]), "endpoint", CLUSTER_IP).ways
        if way.translated
    ]

    assert [(way.to, way.masqueraded) for way in sent] == [("10.180.1.2:80", True)]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"type": ServiceType.EXTERNAL_NAME, "cluster_ip": None}, id="ExternalName"),
        pytest.param({"cluster_ip": None}, id="headless"),
        pytest.param(
            {"labels": {"service.kubernetes.io/service-proxy-name": "other"}}, id="another proxy's"
        ),
        pytest.param({"labels": {"service.kubernetes.io/headless": ""}}, id="labelled headless"),
    ],
)
def test_some_services_have_no_rules(changes: dict[str, object]) -> None:
    service = replace(WEB, **changes)  # type: ignore[arg-type]

    assert render(cluster(service), NODE1) == render(cluster(), NODE1)


# --- no endpoints ---


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
@pytest.mark.parametrize("service", [WEB, LOCAL_OUTSIDE, LOCAL_INSIDE])
def test_without_any_endpoint_a_client_is_refused(
    address: IPv4Address, port: int, service: Service
) -> None:
    sent = send(cluster(service, endpoints=[]), "client", address, port)

    assert sent.refused


@pytest.mark.parametrize("sender", ["pod", "node", "client"])
def test_a_cluster_ip_without_endpoints_refuses_everybody(sender: str) -> None:
    assert send(cluster(WEB, endpoints=[]), sender, CLUSTER_IP).refused


@pytest.mark.parametrize("sender", ["node", "localhost"])
def test_a_node_is_refused_by_its_own_node_port_without_endpoints(sender: str) -> None:
    target = LOCALHOST if sender == "localhost" else NODE1.address

    assert send(cluster(WEB, endpoints=[]), sender, target, NODE_PORT).refused


@pytest.mark.parametrize(("address", "port"), OUTSIDE)
def test_external_local_drops_a_client_on_a_node_without_an_endpoint(
    address: IPv4Address, port: int
) -> None:
    assert send(cluster(LOCAL_OUTSIDE, endpoints=[THERE]), "client", address, port).dropped


@pytest.mark.parametrize(("address", "port"), OUTSIDE)
@pytest.mark.parametrize("sender", ["pod", "node"])
def test_external_local_lets_pods_and_nodes_go_elsewhere(
    sender: str, address: IPv4Address, port: int
) -> None:
    sent = send(cluster(LOCAL_OUTSIDE, endpoints=[THERE]), sender, address, port)

    assert sent.to == {"10.180.2.2:80"}
    assert sent.masqueraded == (sender == "node")


@pytest.mark.parametrize("sender", ["pod", "node", "client"])
def test_internal_local_drops_on_a_node_without_an_endpoint(sender: str) -> None:
    assert send(cluster(LOCAL_INSIDE, endpoints=[THERE]), sender, CLUSTER_IP).dropped


@pytest.mark.parametrize(("address", "port"), OUTSIDE)
def test_external_local_keeps_the_clients_address(address: IPv4Address, port: int) -> None:
    sent = send(cluster(LOCAL_OUTSIDE), "client", address, port)

    assert (sent.to, sent.masqueraded) == (ONLY_HERE, False)


def test_pods_that_end_are_served_while_none_is_ready() -> None:
    sent = send(cluster(WEB, endpoints=[terminating(HERE)]), "client", NODE1.address, NODE_PORT)

    assert sent.to == ONLY_HERE


def test_an_endpoint_on_the_host_network_is_masqueraded_on_its_way_by_a_node_port() -> None:
    hosted = Endpoint(address=NODE1.address, port=8080, node="node1")

    sent = send(cluster(WEB, endpoints=[hosted]), "client", NODE1.address, NODE_PORT)

    assert sent.to == {"192.168.0.1:8080"}
    assert "KUBE-MARK-MASQ" in sent.ways[0].chains


# --- loadBalancerSourceRanges ---

RANGED = replace(WEB, source_ranges=(IPv4Network("203.0.113.0/25"), IPv4Network("198.51.100.0/24")))
STRANGER = IPv4Address("203.0.113.200")


def test_a_client_in_the_ranges_gets_in() -> None:
    assert send(cluster(RANGED), CLIENT, LB_IP).to == BOTH


def test_a_client_outside_the_ranges_is_dropped() -> None:
    sent = send(cluster(RANGED), STRANGER, LB_IP)

    assert sent.dropped
    assert sent.ways[0].steps[-1].chain == "KUBE-PROXY-FIREWALL"


@pytest.mark.parametrize("sender", ["pod", "node"])
def test_the_ranges_hold_for_pods_and_nodes_too(sender: str) -> None:
    assert send(cluster(RANGED), sender, LB_IP).dropped


@pytest.mark.parametrize(
    ("address", "port"), [(NODE1.address, NODE_PORT), (EXTERNAL_IP, 80), (CLUSTER_IP, 80)]
)
def test_the_ranges_protect_the_load_balancers_address_alone(
    address: IPv4Address, port: int
) -> None:
    assert send(cluster(RANGED), STRANGER, address, port).to == BOTH


def test_a_node_in_the_ranges_may_call_by_the_load_balancers_own_address() -> None:
    """Where a node holds the address itself, its call carries that address as its source."""
    with_node = replace(
        RANGED, source_ranges=(*RANGED.source_ranges, IPv4Network("192.168.0.0/24"))
    )

    assert send(cluster(with_node), LB_IP, LB_IP).to == BOTH
    assert send(cluster(RANGED), LB_IP, LB_IP).dropped


def test_a_range_of_everything_lets_everybody_in() -> None:
    everybody = replace(WEB, source_ranges=(IPv4Network("0.0.0.0/0"),))

    assert send(cluster(everybody), STRANGER, LB_IP).to == BOTH


def test_without_endpoints_ranges_do_not_matter() -> None:
    assert send(cluster(RANGED, endpoints=[]), CLIENT, LB_IP).refused
    assert send(cluster(RANGED, endpoints=[]), STRANGER, LB_IP).refused


# --- session affinity ---

STICKY = replace(WEB, affinity_timeout_s=10800)
PORT_NAME = ServicePortName("ns1", "svc1", "p80")
TO_HERE = names.endpoint_chain(PORT_NAME, Protocol.TCP, "10.180.1.2:80")
TO_THERE = names.endpoint_chain(PORT_NAME, Protocol.TCP, "10.180.2.2:80")


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
def test_a_new_client_may_go_anywhere_and_is_remembered(address: IPv4Address, port: int) -> None:
    ways = send(cluster(STICKY), "client", address, port).ways

    assert {way.to: set(way.remembered) for way in ways} == {
        "10.180.1.2:80": {TO_HERE},
        "10.180.2.2:80": {TO_THERE},
    }


@pytest.mark.parametrize(("address", "port"), EVERYWHERE)
def test_a_client_goes_where_it_went_before_by_any_address(address: IPv4Address, port: int) -> None:
    sent = send(cluster(STICKY), "client", address, port, remembered=[TO_THERE])

    assert sent.to == {"10.180.2.2:80"}


def test_a_client_whose_endpoint_is_gone_gets_another() -> None:
    sent = send(cluster(STICKY, endpoints=[HERE]), "client", CLUSTER_IP, remembered=[TO_THERE])

    assert sent.to == ONLY_HERE


def test_without_affinity_nobody_is_remembered() -> None:
    sent = send(cluster(WEB), "client", CLUSTER_IP, remembered=[TO_THERE])

    assert sent.to == BOTH


def test_a_client_is_remembered_as_long_as_the_service_says() -> None:
    brief = replace(WEB, affinity_timeout_s=60)

    text = render(cluster(brief), NODE1).text()

    assert f"-m recent --rcheck --seconds 60 --reap --name {TO_HERE} " in text


# --- health check ports ---


def test_a_health_check_port_is_open_also_where_there_is_no_endpoint() -> None:
    checked = replace(LOCAL_OUTSIDE, health_check_node_port=31000)

    sent = send(cluster(checked, endpoints=[THERE]), "client", NODE1.address, 31000)

    assert sent.ways[0].verdict == "ACCEPT"
    assert sent.ways[0].steps[-1].rule.comment == "ns1/svc1:p80 health check node port"


# --- the first rule that fits is whose it is ---


def test_one_service_does_not_hear_of_another() -> None:
    other = replace(
        WEB,
        key=ObjectName("ns1", "svc2"),
        cluster_ip=CLUSTER_IP + 1,
        ports=(replace(P80, node_port=None),),
        external_ips=(),
        ingress=(),
    )
    lab = cluster(WEB, other)

    (chain,) = {way.steps[0].rule.target for way in send(lab, "pod", CLUSTER_IP + 1).ways} - {""}

    assert chain == names.SERVICES
    assert names.service_chain(other.port_name(P80), Protocol.TCP) in (
        send(lab, "pod", CLUSTER_IP + 1).ways[0].chains
    )
