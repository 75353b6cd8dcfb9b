"""What a picture shows of a cluster: states, numbers of Services, groups of pods that are alike."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import (
    Endpoint,
    Ingress,
    IPMode,
    Pod,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.report.graph import words
from labkit.report.graph.links import Link, links
from labkit.report.graph.topology import State, Topology, topology_of
from tests.unit.report.drawn import cluster, cluster_of, endpoint, node, pod, service

NODE = node("node1", 1)
WEB = pod("web", 2, NODE)
METRICS = ServicePort(name="metrics", protocol=Protocol.TCP, port=9090, target_port=9090)


def drawn_with(of: Service, *endpoints: Endpoint, pods: tuple[Pod, ...] = (WEB,)) -> Topology:
    bare = cluster(nodes=[NODE], pods=pods)
    found = {of.port_name(port): endpoints for port in of.ports}
    return topology_of(replace(bare, services=(of,), endpoints=found))


@pytest.mark.parametrize(
    ("ready", "terminating", "state"),
    [
        (True, False, State.READY),
        (False, False, State.NOT_READY),
        (True, True, State.SERVING),
        (False, True, State.TERMINATING),
    ],
)
def test_a_pod_has_one_of_four_states(*, ready: bool, terminating: bool, state: State) -> None:
    of = replace(WEB, ready=ready, terminating=terminating)
    found = topology_of(cluster(nodes=[NODE], pods=[of]))

    assert found.nodes[0].spots[0].state is state


@pytest.mark.parametrize(
    ("ready", "serving", "terminating", "state"),
    [
        (True, True, False, State.READY),
        (True, True, True, State.READY),
        (False, True, True, State.SERVING),
        (False, False, True, State.TERMINATING),
        (False, False, False, State.NOT_READY),
    ],
    ids=["ready", "publishNotReadyAddresses", "serving", "terminating", "not ready"],
)
def test_an_endpoint_has_the_state_of_its_conditions(
    *, ready: bool, serving: bool, terminating: bool, state: State
) -> None:
    of = replace(endpoint(WEB), ready=ready, serving=serving, terminating=terminating)
    found = drawn_with(service("svc", 1), of)

    (shown,) = found.services[0].endpoints
    assert (shown.name, shown.state, shown.pod) == ("web", state, True)
    assert found.nodes[0].spots[0].services == ((1, state),)


def test_an_endpoint_that_is_ready_on_one_port_alone_is_ready_on_some() -> None:
    two = service("svc", 1, METRICS, replace(METRICS, name="http", port=80))
    names = [two.port_name(port) for port in two.ports]
    bare = cluster(nodes=[NODE], pods=[WEB])
    led = {names[0]: (endpoint(WEB),), names[1]: (endpoint(WEB, ready=False),)}

    found = topology_of(replace(bare, services=(two,), endpoints=led))

    assert [each.state for each in found.services[0].endpoints] == [State.PARTLY]


def test_an_endpoint_that_is_no_pod_of_the_lab_is_shown_by_its_address() -> None:
    stranger = Endpoint(address=IPv4Address("198.51.100.7"), port=80, pod="gone")
    found = drawn_with(service("svc", 1), endpoint(WEB), stranger)

    assert [(each.name, each.pod) for each in found.services[0].endpoints] == [
        ("web", True),
        ("198.51.100.7", False),
    ]


def test_a_pod_carries_the_numbers_of_all_services_that_lead_to_it() -> None:
    found = topology_of(cluster_of(nodes=1, pods=3, services=3))

    numbers = [[number for number, _ in spot.services] for spot in found.pods]
    assert numbers == [[1], [1, 2], [1, 3]]


def alike(count: int) -> list[Pod]:
    return [pod(f"web-{place}", place, NODE) for place in range(2, count + 2)]


def test_as_many_pods_as_fit_are_shown_one_by_one() -> None:
    found = topology_of(cluster(nodes=[NODE], pods=alike(8)))

    assert [len(spot.pods) for spot in found.nodes[0].spots] == [1] * 8


def test_pods_that_are_alike_share_a_spot_where_there_are_too_many() -> None:
    late = pod("late", 200, NODE, ready=False)
    own = pod("own", 201, NODE, host_network=True)
    found = topology_of(cluster(nodes=[NODE], pods=[*alike(20), late, own]))

    spots = found.nodes[0].spots
    assert [(len(spot.pods), spot.state, spot.host_network) for spot in spots] == [
        (1, State.READY, True),
        (20, State.READY, False),
        (1, State.NOT_READY, False),
    ]
    assert found.nodes[0].pods == 22
    assert words.spot_title(spots[1], 24) == "web-2 and 19 more"
    assert words.spot_line(spots[1]) == "20 pods"


@pytest.mark.parametrize(("nodes", "limit"), [(1, 8), (6, 8), (7, 6), (20, 6), (21, 3)])
def test_a_node_never_has_more_spots_than_there_is_room_for(nodes: int, limit: int) -> None:
    busy = topology_of(cluster_of(nodes=nodes, pods=60, services=40))

    for each in busy.nodes:
        assert len(each.spots) == limit
        assert each.pods == 60


def test_pods_of_no_service_are_the_first_to_be_put_together() -> None:
    others = [pod(f"other-{place}", place, NODE, ready=place % 2 == 0) for place in range(2, 12)]
    webs = [pod(f"web-{place}", place, NODE) for place in range(20, 27)]
    kinds = [service(f"svc-{place}", place) for place in range(1, 8)]
    led = [[each] for each in webs]

    found = topology_of(cluster(nodes=[NODE], pods=[*others, *webs], services=kinds, led=led))

    spots = found.nodes[0].spots
    assert [spot.pods[0].name for spot in spots[:7]] == [each.name for each in webs]
    assert (len(spots[7].pods), spots[7].state) == (10, State.MIXED)
    assert words.spot_line(spots[7]) == "10 pods, states differ"


def test_clients_are_on_the_lan_or_behind_the_router() -> None:
    found = topology_of(cluster_of(clients=2, outside=1))

    assert [each.name for each in found.lan_clients] == ["client-0", "client-1"]
    assert [each.name for each in found.outside_clients] == ["far-0"]


def test_lines_lead_from_services_to_pods() -> None:
    found = topology_of(cluster_of(nodes=2, pods=1, services=1))

    assert links(found, 1) == (
        Link(service=1, node=0, spot=0, ready=True),
        Link(service=1, node=1, spot=0, ready=True),
    )


def test_too_many_lines_lead_to_nodes_and_far_too_many_are_left_out() -> None:
    to_nodes = links(topology_of(cluster_of(nodes=20, pods=12, services=4)), 4)
    assert {link.spot for link in to_nodes} == {None}
    assert len(to_nodes) == 20 * 4

    assert links(topology_of(cluster_of(nodes=20, pods=12, services=12)), 12) == ()


def facts(of: Service) -> list[str]:
    return [fact.text for fact in words.facts(topology_of_one(of).services[0])]


def topology_of_one(of: Service) -> Topology:
    return topology_of(cluster(nodes=[NODE], services=[of], led=[[]]))


def test_a_service_says_where_it_is_reached_and_by_which_policies() -> None:
    of = replace(
        service("svc", 1),
        type=ServiceType.LOAD_BALANCER,
        external_ips=(IPv4Address("203.0.113.1"),),
        ingress=(Ingress(ip=IPv4Address("203.0.113.7"), ip_mode=IPMode.PROXY),),
        affinity_timeout_s=10800,
        traffic_distribution="PreferSameZone",
        health_check_node_port=32000,
    )

    assert words.kind_of(of) == "type LoadBalancer"
    assert facts(of) == [
        "ClusterIP 172.30.0.1",
        "externalIPs 203.0.113.1",
        "LoadBalancer 203.0.113.7, ipMode Proxy",
        "http 80/TCP → 80, nodePort 30080",
        "externalTrafficPolicy Local",
        "internalTrafficPolicy Cluster",
        "sessionAffinity ClientIP, 10800 s",
        "trafficDistribution PreferSameZone",
        "healthCheckNodePort 32000",
    ]


def test_a_headless_service_has_no_cluster_ip_and_no_policy() -> None:
    of = replace(service("svc", 1, METRICS), type=ServiceType.CLUSTER_IP, cluster_ip=None)

    assert words.kind_of(of) == "type ClusterIP, headless"
    assert facts(of) == ["metrics 9090/TCP → 9090"]


def test_an_external_name_leads_to_a_name() -> None:
    of = replace(
        service("svc", 1),
        type=ServiceType.EXTERNAL_NAME,
        cluster_ip=None,
        ports=(),
        external_name="db.example.com",
    )

    assert facts(of) == ["externalName db.example.com"]
    assert words.endpoint_fact(topology_of_one(of).services[0]).text == "a DNS name, no endpoints"


def test_endpoints_are_counted_and_a_state_is_said_once_if_all_have_it() -> None:
    both = (WEB, pod("late", 3, NODE, ready=False))
    of = service("svc", 1)

    def said(*pods: Pod) -> str:
        found = drawn_with(of, *map(endpoint, pods), pods=both)
        return words.endpoint_fact(found.services[0]).text

    assert said() == "no endpoints"
    assert said(both[0]) == "1 endpoint: web"
    assert said(both[1]) == "1 endpoint (not ready): late"
    assert said(*both) == "2 endpoints: web, late (not ready)"
