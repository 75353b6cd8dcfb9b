"""Labs that a real kube-proxy serves: built, changed, side by side, and gone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from labkit.errors import UsageError
from labkit.lab.lab import Lab
from labkit.lab.source import service_object
from labkit.pytest_plugin import LabFactory
from tests.real_kube_proxy import kube_proxy

WEB = {"app": "web"}
NODE_PORT = 30080
ProxyLab = Callable[..., Lab]


@pytest.fixture
def proxy_lab(lab: LabFactory) -> ProxyLab:
    """Makes labs under a real kube-proxy in iptables mode."""

    def make(source: str | Path | None = None, **options: object) -> Lab:
        return lab(source, dataplane="kube-proxy", kube_proxy=kube_proxy(), **options)

    return make


def serve(running: Lab, *nodes: str, **spec: object) -> None:
    """Give a lab the NodePort Service web, or another one, with a pod on each of these nodes."""
    for number, node in enumerate(nodes, 1):
        running.add_pod(f"web-{number}", node=node, labels=WEB, ports=[80])
    ports = [{"port": 80, "nodePort": NODE_PORT}]
    spec = {"type": "NodePort", **spec}
    running.add([service_object("web", selector=WEB, ports=ports, spec=spec)])


@pytest.mark.parametrize("nodes", [1, 3, 4])
def test_every_node_has_its_own(proxy_lab: ProxyLab, nodes: int) -> None:
    running = proxy_lab(nodes=nodes)
    serve(running, "node1")

    for node in running.cluster.nodes:
        seen = running.probe("client", to=running.node(node.name).port(NODE_PORT))
        assert set(seen.backends) == {"web-1"}
        assert seen.client_sources == {node.name}
    programs = {where for where in running.logs() if where.endswith("/kube-proxy")}
    assert programs == {f"{node.name}/kube-proxy" for node in running.cluster.nodes}


def test_pods_and_services_come_and_go(proxy_lab: ProxyLab) -> None:
    running = proxy_lab()
    serve(running, "node1")
    target = running.node("node2").port(NODE_PORT)
    assert set(running.probe("client", to=target).backends) == {"web-1"}

    running.add_pod("web-2", node="node2", labels=WEB, ports=[80])
    assert set(running.probe("client", to=target).backends) == {"web-1", "web-2"}

    running.remove("Pod", "web-1")
    assert set(running.probe("client", to=target).backends) == {"web-2"}

    running.remove("Pod", "web-2")
    assert running.probe("client", to=target).outcome == "refused"

    running.remove("Service", "web")
    assert running.probe("client", to=target).outcome == "refused"


def test_a_changed_policy_is_followed(proxy_lab: ProxyLab) -> None:
    running = proxy_lab()
    serve(running, "node1")
    target = running.node("node1").port(NODE_PORT)
    assert running.probe("client", to=target).client_sources == {"node1"}

    serve(running, externalTrafficPolicy="Local")
    assert running.probe("client", to=target).client_sources == {"preserved"}
    elsewhere = running.node("node2").port(NODE_PORT)
    assert running.probe("client", to=elsewhere, attempts=1).outcome == "timeout"


def test_a_change_of_udp_endpoints_forgets_their_flows(proxy_lab: ProxyLab) -> None:
    ports = [{"containerPort": 53, "protocol": "UDP"}]
    running = proxy_lab()
    running.add_pod("dns-1", node="node1", labels=WEB, ports=ports)
    running.add_service("dns", selector=WEB, ports=[{"port": 53, "protocol": "UDP"}])
    assert set(running.probe("node2", to="dns:53", protocol="UDP").backends) == {"dns-1"}

    running.add_pod("dns-2", node="node2", labels=WEB, ports=ports)
    running.remove("Pod", "dns-1")
    flows = running.exec("node2", ["conntrack", "-L", "-p", "udp"], check=True).stdout

    assert str(running.cluster.services[0].cluster_ip) not in flows
    assert set(running.probe("node2", to="dns:53", protocol="UDP").backends) == {"dns-2"}


def test_health_check_ports_are_its_own(proxy_lab: ProxyLab) -> None:
    running = proxy_lab("scenarios/health-check-node-port.yaml")

    assert [result.name for result in running.check() if not result.passed] == []
    table = running.matrix(["client"], attempts=1)
    assert set((table.health_check_node_port or {}).values()) == {200, 503}


def test_rules_are_read_back_without_labkits_own_service(proxy_lab: ProxyLab) -> None:
    running = proxy_lab()
    serve(running, "node1")

    for _ in range(2):
        text = running.rules("node2")
        assert f"--dport {NODE_PORT}" in text
        assert "labkit.dev" not in text
        assert "192.0.2." not in text


def test_two_labs_with_the_same_addresses_run_side_by_side(proxy_lab: ProxyLab) -> None:
    one, other = proxy_lab(), proxy_lab()
    serve(one, "node1")
    serve(other, "node2", externalTrafficPolicy="Local")

    assert one.probe("client", to=one.node("node2").port(NODE_PORT)).client_sources == {"node2"}
    seen = other.probe("client", to=other.node("node2").port(NODE_PORT))
    assert seen.client_sources == {"preserved"}


def test_its_version_is_in_every_report(proxy_lab: ProxyLab) -> None:
    running = proxy_lab()

    assert re.fullmatch(r"the real kube-proxy v1\.\d+\S*, iptables mode", running.rules_source)
    table = running.matrix(["client"])
    assert table.rules == running.rules_source
    assert table.kube_proxy == running.cluster.real_kube_proxy


def test_what_it_posts_is_kept(proxy_lab: ProxyLab) -> None:
    running = proxy_lab(nodes=1)

    assert "Starting" in running.logs()["kube-proxy/events"]


def test_a_field_that_a_version_does_not_know_is_an_error(lab: LabFactory) -> None:
    program = kube_proxy()
    options = {"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "cni0"}}

    with pytest.raises(UsageError, match=r"spec\.kubeProxy\.detectLocal\.bridgeInterface: kube-p"):
        lab(dataplane="kube-proxy", kube_proxy=program, kubeProxy=options)
