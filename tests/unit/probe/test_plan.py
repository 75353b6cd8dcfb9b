from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Protocol, ServicePort, ServiceType
from labkit.errors import UsageError
from labkit.manifest.load import load
from labkit.probe.flow import Flow, Via
from labkit.probe.plan import flows
from tests.unit.probe.clusters import HTTP, cluster, endpoints, service

TRUTH = Path(__file__).parents[2] / "truth"


def destinations(found: tuple[Flow, ...], source: str) -> list[tuple[str, str, int, str | None]]:
    return [
        (str(flow.via), str(flow.address), flow.dport, flow.node)
        for flow in found
        if flow.source == source
    ]


def sources(found: tuple[Flow, ...]) -> list[str]:
    return list(dict.fromkeys(flow.source for flow in found))


def test_a_client_asks_every_address_of_a_service() -> None:
    assert destinations(flows(cluster(), None), "client") == [
        ("ClusterIP", "172.30.0.10", 80, None),
        ("NodePort", "192.168.0.1", 30080, "node1"),
        ("NodePort", "192.168.0.2", 30080, "node2"),
        ("ExternalIP", "203.0.113.7", 80, None),
        ("LoadBalancer", "203.0.113.9", 80, None),
        ("PodIP", "10.244.1.2", 8080, None),
        ("PodIP", "10.244.2.2", 8080, None),
        ("PodIP", "10.244.2.3", 8080, None),
    ]


def test_only_a_node_and_its_host_network_ask_its_own_localhost() -> None:
    found = flows(cluster(), ("all",))

    asking = [(flow.source, flow.node) for flow in found if flow.address.is_loopback]
    assert asking == [("node1", "node1"), ("node2", "node2"), ("agent-1", "node1")]


def test_by_default_each_node_sends_one_endpoint_pod_and_one_other() -> None:
    assert sources(flows(cluster(), None)) == [
        "client", "node1", "node2", "web-1", "other-1", "web-2", "other-2",
    ]  # fmt: skip


def test_the_default_pods_are_chosen_anew_for_each_service() -> None:
    lab = cluster(
        [service("all"), service("web")],
        {"all": endpoints("web-1", "other-1", "agent-1"), "web": endpoints("web-2")},
    )

    by_service = {
        name: sources(tuple(flow for flow in flows(lab, None) if flow.service == name))[3:]
        for name in ("default/all", "default/web")
    }
    assert by_service == {
        "default/all": ["web-1", "web-2"],
        "default/web": ["web-1", "web-2", "web-3"],
    }


def test_a_host_network_pod_asks_where_it_is_a_nodes_only_endpoint() -> None:
    lab = cluster(backends={"web": endpoints("agent-1", port=80)})

    assert "agent-1" in sources(flows(lab, None))


def test_all_is_everybody_and_names_are_those_named() -> None:
    lab = cluster()
    everybody = ["client", "node1", "node2", *(pod.name for pod in lab.pods)]

    assert sources(flows(lab, ("all",))) == everybody
    assert sources(flows(lab, ("web-2", "client", "web-2"))) == ["web-2", "client"]
    assert flows(lab, ()) == ()


@pytest.mark.parametrize(
    ("name", "hint"),
    [("nod1", "did you mean node1?"), ("zzz", "there are: client, node1, node2, web-1")],
)
def test_an_unknown_source_is_an_error_that_names_the_likely_one(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"source {name} does not exist") as error:
        flows(cluster(), ("client", name))
    assert hint in str(error.value)


def test_a_headless_service_has_its_pods_addresses_only() -> None:
    headless = service(type=ServiceType.CLUSTER_IP, cluster_ip=None, external_ips=(), ingress=())

    assert {flow.via for flow in flows(cluster([headless]), None)} == {Via.POD_IP}


def test_an_external_name_has_no_flows() -> None:
    assert flows(cluster([service(type=ServiceType.EXTERNAL_NAME, cluster_ip=None)]), None) == ()


def test_every_port_has_its_own_flows() -> None:
    dns = ServicePort(name="dns", protocol=Protocol.UDP, port=53, target_port=53)
    found = flows(cluster([service(ports=(HTTP, dns))]), ("client",))

    udp = [flow for flow in found if flow.protocol is Protocol.UDP]
    assert {flow.port for flow in udp} == {"dns"}
    assert Via.NODE_PORT not in {flow.via for flow in udp}
    assert len(found) == len(set(found)) == 8 + 6


def key(flow: Mapping[str, object]) -> tuple[object, ...]:
    return tuple(flow[name] for name in ("source", "via", "node", "address", "dport", "protocol"))


@pytest.mark.parametrize("path", sorted(TRUTH.glob("scenarios/*.yaml")), ids=lambda path: path.stem)
def test_every_flow_that_was_recorded_of_kube_proxy_is_planned(path: Path) -> None:
    recorded = json.loads((TRUTH / "kube-proxy/iptables" / f"{path.stem}.json").read_text())

    planned = {
        (
            flow.source,
            str(flow.via),
            flow.node,
            str(flow.address),
            flow.dport,
            str(flow.protocol),
        )
        for flow in flows(build_cluster(load(path)), ("all",))
    }

    assert recorded["flows"]
    assert {key(flow) for flow in recorded["flows"]} <= planned
