"""Services while the cluster changes: what Kubernetes' end-to-end tests ask between two changes.

The behaviours are those of ``test/e2e/network`` (service.go, networking.go, loadbalancer.go).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

import labkit
from labkit.pytest_plugin import LabFactory
from tests.lab.changing import CLUSTER_IP, LOAD_BALANCER_IP, LOCAL, PORT, UNREADY, pod, service


def test_pods_come_and_go_without_changing_the_bridge_that_others_send_to(lab: LabFactory) -> None:
    running = lab(nodes=1)
    read = ["cat", "/sys/class/net/cni0/address"]
    # 0a:58 and the address, as kubenet did it: 10.244.1.1.
    expected = "0a:58:0a:f4:01:01"

    assert running.exec("node1", read).stdout.strip() == expected
    pod(running, "web-1", "node1")
    assert running.exec("node1", read).stdout.strip() == expected
    running.remove("Pod", "web-1")
    assert running.exec("node1", read).stdout.strip() == expected


def test_services_come_and_go_while_others_keep_working(cluster: labkit.Lab) -> None:
    service(cluster, "stays")
    for _ in range(2):
        service(cluster, "goes", ports=[{"port": 80, "nodePort": 30081}])
        assert cluster.probe("client", to="node2:30081").backends.keys() == {"web-1"}
        assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1"}

        cluster.remove("Service", "goes")
        assert cluster.probe("client", to="node2:30081").outcome == "refused"
        assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1"}


def test_endpoints_appear_and_disappear_with_their_pods(cluster: labkit.Lab) -> None:
    service(cluster)
    pod(cluster, "web-2", "node2")
    assert cluster.probe("node1", to="web:80").backends.keys() == {"web-1", "web-2"}

    cluster.remove("Pod", "web-1")

    assert cluster.probe("node1", to="web:80").backends.keys() == {"web-2"}


def test_a_service_whose_pods_are_all_gone_refuses_everybody(cluster: labkit.Lab) -> None:
    service(cluster)
    cluster.add_pod("other", node="node2", labels={"app": "other"}, ports=[80])
    assert cluster.probe("other", to="web:80").outcome == "connected"

    cluster.remove("Pod", "web-1")

    assert cluster.probe("other", to="web:80").outcome == "refused"
    assert cluster.probe("node1", to="web:80").outcome == "refused"
    assert cluster.probe("client", to="node2:30080").outcome == "refused"


def test_evicted_pods_are_no_endpoints(cluster: labkit.Lab) -> None:
    """A pod that was evicted stays there, in phase Failed (kubernetes#109414)."""
    service(cluster)
    assert cluster.probe("client", to="node2:30080").outcome == "connected"

    pod(cluster, "web-1", "node1", phase="Failed")

    assert cluster.probe("node1", to="web:80").outcome == "refused"
    assert cluster.probe("client", to="node2:30080").outcome == "refused"


def test_the_type_of_a_service_can_change_and_change_back(cluster: labkit.Lab) -> None:
    for _ in range(2):
        service(cluster, type="ClusterIP", ports=[80])
        assert cluster.probe("node2", to="web:80").backends.keys() == {"web-1"}
        assert cluster.probe("client", to="node2:30080").outcome == "refused"

        service(cluster, type="NodePort")
        assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1"}

        service(cluster, type="LoadBalancer")
        assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1"}


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort"])
def test_a_service_becomes_an_external_name_and_a_service_again(
    cluster: labkit.Lab, kind: str
) -> None:
    served = f"{CLUSTER_IP}:80"
    ports = [{"port": 80, **({"nodePort": 30080} if kind == "NodePort" else {})}]
    for _ in range(2):
        service(cluster, type=kind, clusterIP=CLUSTER_IP, ports=ports)
        assert cluster.probe("node2", to=served).backends.keys() == {"web-1"}
        node_port = cluster.probe("client", to="node2:30080").outcome
        assert node_port == ("connected" if kind == "NodePort" else "refused")

        service(cluster, type="ExternalName", externalName="example.org", ports=[80])
        assert cluster.probe("node2", to=served).outcome == "timeout"
        assert cluster.probe("client", to="node2:30080").outcome == "refused"


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_type_and_ports_change_step_by_step(cluster: labkit.Lab, protocol: str) -> None:
    """Cases of loadbalancer.go: change the type and ports of a TCP service, of a UDP service."""

    def becomes(type_: str, port: int = 80, node_port: int | None = None) -> None:
        numbers = {"port": port} | ({"nodePort": node_port} if node_port else {})
        ports = [{"protocol": protocol, "targetPort": 80, **numbers}]
        service(cluster, type=type_, clusterIP=CLUSTER_IP, ports=ports)

    def outcome(to: str) -> str:
        return cluster.probe("client", to=to, protocol=protocol, attempts=3).outcome

    pod(cluster, "web-1", "node1", protocol=protocol)
    becomes("ClusterIP")
    assert outcome(f"{CLUSTER_IP}:80") == "connected"
    becomes("NodePort", node_port=30080)
    assert outcome("node2:30080") == "connected"
    becomes("LoadBalancer", node_port=30080)
    assert outcome("node2:30080") == outcome(f"{LOAD_BALANCER_IP}:80") == "connected"
    becomes("LoadBalancer", node_port=30090)
    assert outcome("node2:30080") == "refused"
    assert outcome("node2:30090") == outcome(f"{LOAD_BALANCER_IP}:80") == "connected"
    becomes("LoadBalancer", port=81, node_port=30090)
    assert outcome("node2:30090") == outcome(f"{LOAD_BALANCER_IP}:81") == "connected"
    assert outcome(f"{LOAD_BALANCER_IP}:80") != "connected"

    cluster.remove("Pod", "web-1")
    assert outcome("node2:30090") == outcome(f"{LOAD_BALANCER_IP}:81") == "refused"
    pod(cluster, "web-1", "node1", protocol=protocol)
    assert outcome("node2:30090") == outcome(f"{LOAD_BALANCER_IP}:81") == "connected"

    becomes("ClusterIP", port=81)
    assert outcome(f"{CLUSTER_IP}:81") == "connected"
    assert outcome("node2:30090") == "refused"
    assert outcome(f"{LOAD_BALANCER_IP}:81") != "connected"


def test_a_load_balancer_without_node_port_gets_one(cluster: labkit.Lab) -> None:
    def node_port() -> int | None:
        ((_service, port),) = cluster.cluster.service_ports()
        return port.node_port

    def balanced(*, allocate: bool) -> None:
        service(cluster, type="LoadBalancer", ports=[80], allocateLoadBalancerNodePorts=allocate)

    balanced(allocate=False)
    assert node_port() is None
    assert cluster.probe("client", to=f"{LOAD_BALANCER_IP}:80").backends.keys() == {"web-1"}

    balanced(allocate=True)
    assert cluster.probe("client", to=f"node2:{node_port()}").backends.keys() == {"web-1"}
    assert cluster.probe("client", to=f"{LOAD_BALANCER_IP}:80").backends.keys() == {"web-1"}


def test_a_named_target_port_is_each_pods_own(cluster: labkit.Lab) -> None:
    pod(cluster, "web-1", "node1", ports=[{"name": "http", "containerPort": 80}])
    service(cluster, ports=[{**PORT, "targetPort": "http"}])
    pod(cluster, "web-2", "node2", ports=[{"name": "http", "containerPort": 8080}])
    assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1", "web-2"}

    pod(cluster, "web-1", "node1", ports=[{"name": "http", "containerPort": 8081}])
    assert cluster.probe("client", to="node2:30080").backends.keys() == {"web-1", "web-2"}


def test_a_node_port_that_changes_leaves_the_old_one(cluster: labkit.Lab) -> None:
    service(cluster)
    assert cluster.probe("client", to="node2:30080").outcome == "connected"

    service(cluster, ports=[{"port": 80, "nodePort": 30090}])

    assert cluster.probe("client", to="node2:30080").outcome == "refused"
    assert cluster.probe("client", to="node2:30090").backends.keys() == {"web-1"}


def test_tcp_and_udp_share_a_port_number_and_one_can_become_the_other(cluster: labkit.Lab) -> None:
    pod(cluster, "udp-1", "node2", protocol="UDP")
    cluster.remove("Pod", "web-1")
    tcp = {"name": "tcp", **PORT}
    udp = {"name": "udp", "protocol": "UDP", **PORT}

    service(cluster, ports=[udp])
    assert cluster.probe("client", to="node1:30080", protocol="UDP").backends.keys() == {"udp-1"}

    cluster.remove("Pod", "udp-1")
    pod(cluster, "web-1", "node1")
    service(cluster, ports=[tcp])
    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1"}
    assert cluster.probe("client", to="node1:30080", protocol="UDP").outcome != "connected"

    service(cluster, ports=[tcp, udp])
    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1"}


def test_node_ports_that_collide_or_are_out_of_range_are_rejected(cluster: labkit.Lab) -> None:
    service(cluster)
    with pytest.raises(labkit.ManifestError, match="30080"):
        service(cluster, "other")
    with pytest.raises(labkit.ManifestError, match="29999"):
        service(cluster, "other", ports=[{"port": 80, "nodePort": 29999}])

    cluster.remove("Service", "web")
    service(cluster, "other")

    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1"}


def test_unready_pods_are_served_only_with_publish_not_ready_addresses(cluster: labkit.Lab) -> None:
    service(cluster)
    pod(cluster, "web-1", "node1", UNREADY)
    assert cluster.probe("node2", to="web:80").outcome == "refused"

    service(cluster, publishNotReadyAddresses=True)
    assert cluster.probe("node2", to="web:80").backends.keys() == {"web-1"}

    service(cluster)
    assert cluster.probe("node2", to="web:80").outcome == "refused"


def test_affinity_can_be_switched_on_and_off(cluster: labkit.Lab) -> None:
    pod(cluster, "web-2", "node2")
    service(cluster)
    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1", "web-2"}

    service(cluster, sessionAffinity="ClientIP")
    assert len(cluster.probe("client", to="node1:30080", attempts=40).backends) == 1

    service(cluster)
    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1", "web-2"}


@pytest.mark.parametrize(
    "label", ["service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless"]
)
def test_a_label_makes_the_proxy_ignore_a_service(cluster: labkit.Lab, label: str) -> None:
    def labelled(labels: Mapping[str, str]) -> None:
        spec = {"clusterIP": "10.96.0.77", "selector": {"app": "web"}, "ports": [{"port": 80}]}
        metadata = {"name": "web", "labels": labels}
        cluster.add([{"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}])

    address = "10.96.0.77:80"
    labelled({})
    assert cluster.probe("node1", to=address).backends.keys() == {"web-1"}

    labelled({label: "other"})
    assert cluster.probe("node1", to=address).outcome == "timeout"

    labelled({})
    assert cluster.probe("node1", to=address).backends.keys() == {"web-1"}


def test_the_external_policy_can_change_and_change_back(cluster: labkit.Lab) -> None:
    for _ in range(2):
        service(cluster)
        assert cluster.probe("client", to="node2:30080").client_sources == {"node2"}

        service(cluster, externalTrafficPolicy=LOCAL)
        assert cluster.probe("client", to="node1:30080").client_sources == {"preserved"}
        assert cluster.probe("client", to="node2:30080").outcome == "timeout"


def test_the_health_check_port_follows_the_nodes_own_pods(cluster: labkit.Lab) -> None:
    service(cluster, type="LoadBalancer", externalTrafficPolicy=LOCAL, healthCheckNodePort=30100)

    def healthy() -> dict[str, int]:
        return {each.node: each.status for each in cluster.matrix(["client"]).health_checks}

    assert healthy() == {"node1": 200, "node2": 503}

    pod(cluster, "web-2", "node2")
    cluster.remove("Pod", "web-1")

    assert healthy() == {"node1": 503, "node2": 200}


def test_the_health_check_port_goes_and_comes_with_the_local_policy(cluster: labkit.Lab) -> None:
    for _ in range(2):
        service(
            cluster, type="LoadBalancer", externalTrafficPolicy=LOCAL, healthCheckNodePort=30100
        )
        assert cluster.probe("client", to="node1:30100", attempts=1).outcome == "connected"
        assert cluster.probe("client", to="node1:30080").client_sources == {"preserved"}

        service(cluster, type="LoadBalancer")
        assert cluster.probe("client", to="node1:30100", attempts=1).outcome == "refused"
        assert cluster.probe("client", to="node1:30080").client_sources == {"node1"}


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_a_pod_is_seen_with_its_own_address_through_a_cluster_ip(
    cluster: labkit.Lab, node: str
) -> None:
    service(cluster)
    cluster.add_pod("caller", node=node, labels={"app": "caller"})

    seen = cluster.probe("caller", to="web:80")

    assert seen.sources_seen.keys() == {cluster.pod("caller").address}
