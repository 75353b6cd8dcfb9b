"""From manifests to a cluster: placement, addresses, ports and endpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

import msgspec
import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster, Endpoint
from labkit.cluster.object_names import ObjectName, ServicePortName
from labkit.cluster.pods import interface_name
from labkit.errors import UsageError
from labkit.manifest import kinds

Manifest = Mapping[str, object]


def lab(**spec: object) -> kinds.Lab:
    nodes = [{"name": "node1"}, {"name": "node2"}]
    return msgspec.convert(
        {"metadata": {"name": "lab"}, "spec": {"nodes": nodes, **spec}}, kinds.Lab
    )


def pod(name: str, *, node: str | None = "node1", **spec: object) -> kinds.Pod:
    container = {"name": "web", "ports": [{"containerPort": 80, "name": "http"}]}
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"app": "web"}},
            "spec": {"nodeName": node, "containers": [container], **spec},
        },
        kinds.Pod,
    )


def deployment(name: str, replicas: int) -> kinds.Workload:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}]}]},
    }
    return msgspec.convert(
        {"metadata": {"name": name}, "spec": {"replicas": replicas, "template": template}},
        kinds.Workload,
    )


def service(name: str, *, port: Manifest | None = None, **spec: object) -> kinds.Service:
    body = {"selector": {"app": "web"}, "ports": [port or {"port": 80}], **spec}
    return msgspec.convert({"metadata": {"name": name}, "spec": body}, kinds.Service)


def cluster(
    *,
    lab_: kinds.Lab | None = None,
    pods: Sequence[kinds.Pod] = (),
    services: Sequence[kinds.Service] = (),
    workloads: Sequence[kinds.Workload] = (),
    slices: Sequence[kinds.EndpointSlice] = (),
    previous: Cluster | None = None,
) -> Cluster:
    scenario = kinds.Scenario(
        lab=lab_ or lab(),
        pods=tuple(pods),
        services=tuple(services),
        workloads=tuple(workloads),
        endpoint_slices=tuple(slices),
    )
    return build_cluster(scenario, previous=previous)


def endpoints(built: Cluster, name: str, port: str = "") -> list[Endpoint]:
    return list(built.endpoints[ServicePortName("default", name, port)])


def test_nodes_count_from_the_lans_first_address_and_clients_from_the_hundredth() -> None:
    built = cluster()

    assert [str(node.address) for node in built.nodes] == ["192.168.0.1", "192.168.0.2"]
    assert [str(client.address) for client in built.clients] == ["192.168.0.100"]


def test_the_router_takes_the_last_address_that_nobody_was_given() -> None:
    taken = lab(clients=[{"name": "client", "address": "192.168.0.254"}])

    assert str(cluster(lab_=taken).network.gateway) == "192.168.0.253"


def test_each_node_gets_a_slash_24_and_given_ones_are_left_alone() -> None:
    given = lab(nodes=[{"name": "node1"}, {"name": "node2", "podCIDR": "10.244.1.0/24"}])

    assert [str(node.pod_cidr) for node in cluster(lab_=given).nodes] == [
        "10.244.2.0/24",
        "10.244.1.0/24",
    ]


def test_pods_count_from_the_second_address_of_their_node() -> None:
    built = cluster(pods=[pod("a"), pod("b", node="node2"), pod("c")])

    assert [str(each.address) for each in built.pods] == ["10.244.1.2", "10.244.2.2", "10.244.1.3"]


def test_replicas_are_placed_round_robin() -> None:
    built = cluster(workloads=[deployment("web", 3)])

    assert [(each.name, each.node) for each in built.pods] == [
        ("web-1", "node1"),
        ("web-2", "node2"),
        ("web-3", "node1"),
    ]


def test_a_pod_on_the_host_network_has_its_nodes_address_and_no_interface() -> None:
    (built,) = cluster(pods=[pod("a", hostNetwork=True)]).pods

    assert (str(built.address), built.interface) == ("192.168.0.1", "")


@pytest.mark.parametrize(
    ("name", "want"),
    [
        (ObjectName("default", "web-1"), "veth-web-1"),
        (ObjectName("default", "ten-chars1"), "veth-ten-chars1"),
    ],
)
def test_short_pod_names_stand_in_their_interface(name: ObjectName, want: str) -> None:
    assert interface_name(name) == want


@pytest.mark.parametrize(
    "name", [ObjectName("default", "eleven-char"), ObjectName("other", "web-1")]
)
def test_other_pod_names_are_hashed_to_the_kernels_15_bytes(name: ObjectName) -> None:
    interface = interface_name(name)

    assert interface.startswith("veth-")
    assert len(interface) == 15
    assert interface != interface_name(ObjectName("default", "twelve-chars"))


def test_a_named_target_port_is_looked_up_in_each_pod() -> None:
    built = cluster(
        pods=[pod("a")], services=[service("web", port={"port": 8000, "targetPort": "http"})]
    )

    assert [str(each) for each in endpoints(built, "web")] == ["10.244.1.2:80"]


def test_a_pod_without_the_named_port_is_no_endpoint() -> None:
    built = cluster(
        pods=[pod("a")], services=[service("web", port={"port": 80, "targetPort": "metrics"})]
    )

    assert endpoints(built, "web") == []


def test_an_unready_pod_is_an_unready_endpoint_unless_published() -> None:
    unready = msgspec.structs.replace(
        pod("a"),
        metadata=kinds.ObjectMeta(
            name="a", labels={"app": "web"}, annotations={"labkit.dev/ready": "false"}
        ),
    )
    built = cluster(
        pods=[unready],
        services=[service("plain"), service("published", publishNotReadyAddresses=True)],
    )

    assert [each.ready for each in endpoints(built, "plain")] == [False]
    assert [each.ready for each in endpoints(built, "published")] == [True]


def test_traffic_distribution_hints_at_the_pods_zone_and_node() -> None:
    zoned = lab(nodes=[{"name": "node1", "zone": "a"}, {"name": "node2", "zone": "b"}])
    built = cluster(
        lab_=zoned,
        pods=[pod("p1"), pod("p2", node="node2")],
        services=[
            service("zone", trafficDistribution="PreferSameZone"),
            service("node", trafficDistribution="PreferSameNode"),
        ],
    )

    assert [each.zone_hints for each in endpoints(built, "zone")] == [{"a"}, {"b"}]
    assert [each.node_hints for each in endpoints(built, "node")] == [{"node1"}, {"node2"}]


def test_a_slice_by_hand_serves_a_service_without_selector() -> None:
    by_hand = msgspec.convert(
        {
            "metadata": {"name": "s", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {
                    "addresses": ["10.244.1.2"],
                    "nodeName": "node1",
                    "conditions": {"ready": False, "serving": True, "terminating": True},
                }
            ],
        },
        kinds.EndpointSlice,
    )
    built = cluster(
        pods=[pod("a")],
        services=[service("web", port={"port": 80, "name": "http"}, selector=None)],
        slices=[by_hand],
    )

    (endpoint,) = endpoints(built, "web", "http")
    assert (endpoint.port, endpoint.pod) == (8080, "a")
    assert (endpoint.ready, endpoint.serving, endpoint.terminating) == (False, True, True)


def test_services_are_in_the_order_of_their_names_and_get_what_they_leave_out() -> None:
    built = cluster(services=[service("b", type="NodePort"), service("a", type="NodePort")])

    assert [each.key.name for each in built.services] == ["a", "b"]
    assert {str(each.cluster_ip) for each in built.services} == {"10.96.0.10", "10.96.0.11"}
    assert {each.ports[0].node_port for each in built.services} == {30000, 30001}


def test_a_headless_service_has_no_address() -> None:
    built = cluster(services=[service("web", clusterIP="None")])

    assert built.services[0].cluster_ip is None


def test_a_local_load_balancer_gets_a_health_check_port_and_a_cluster_one_does_not() -> None:
    built = cluster(
        services=[
            service("local", type="LoadBalancer", externalTrafficPolicy="Local"),
            service("cluster", type="LoadBalancer"),
        ]
    )
    by_name = {each.key.name: each for each in built.services}

    assert by_name["local"].health_check_node_port is not None
    assert by_name["cluster"].health_check_node_port is None


def test_a_running_lab_keeps_what_it_has_when_it_changes() -> None:
    before = cluster(pods=[pod("a"), pod("b")], services=[service("x", type="NodePort")])
    after = cluster(
        pods=[pod("new"), pod("b")],
        services=[service("aaa", type="NodePort"), service("x", type="NodePort")],
        previous=before,
    )

    old = {each.name: each.address for each in before.pods}
    new = {each.name: each.address for each in after.pods}
    assert new["b"] == old["b"]
    assert new["new"] not in old.values(), "an address is not given on to another pod at once"
    assert after.service_by_key[ObjectName("default", "x")] == before.services[0]


def test_a_full_range_is_an_error_that_says_whose() -> None:
    small = lab(network={"serviceCIDR": "10.96.0.0/28"})
    many = [service(f"s{number}") for number in range(6)]

    with pytest.raises(UsageError, match="cluster IP of Service s5"):
        cluster(lab_=small, services=many)


def test_an_empty_cluster_cidr_means_no_detection_of_local_traffic() -> None:
    assert cluster(lab_=lab(kubeProxy={"clusterCIDR": ""})).kube_proxy.cluster_cidr is None
    assert cluster().kube_proxy.cluster_cidr == IPv4Network("10.244.0.0/16")


def test_two_builds_of_one_scenario_are_equal() -> None:
    def build() -> Cluster:
        return cluster(pods=[pod("a")], workloads=[deployment("d", 5)], services=[service("s")])

    assert build() == build()
    assert IPv4Address("10.244.1.2") in {each.address for each in build().pods}


def dumped(name: str, address: str) -> kinds.Pod:
    container = {"name": "web", "command": ["/nginx"], "ports": [{"containerPort": 80}]}
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "spec": {"nodeName": "node1", "containers": [container]},
            "status": {"phase": "Running", "podIP": address},
        },
        kinds.Pod,
    )


def test_a_dumped_pod_keeps_its_address_and_answers_by_the_responder() -> None:
    (built,) = cluster(pods=[dumped("a", "10.244.1.77")]).pods

    assert str(built.address) == "10.244.1.77"
    assert built.containers[0].command == (), "its image's program is not this machine's"


def test_a_dumped_address_that_is_the_bridges_here_is_not_taken() -> None:
    (built,) = cluster(pods=[dumped("a", "10.244.1.1")]).pods

    assert str(built.address) == "10.244.1.2"
