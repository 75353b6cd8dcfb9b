"""The names that programs in a lab's hosts can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.cluster.build import build_cluster
from labkit.cluster.host_names import host_names
from labkit.manifest.load import load_text

MACHINE = """# the machine's own
127.0.0.1\tlocalhost
127.0.1.1 tower.example tower   # Debian's way
192.168.0.9 printer node1
::1 localhost
"""


def names(manifests: str, machine: str = "") -> Mapping[str, Sequence[str]]:
    """Addresses by the names that lead to them, as glibc reads them."""
    found: dict[str, list[str]] = {}
    for line in host_names(build_cluster(load_text(manifests)), machine).text.splitlines():
        address, *called = line.split()
        for name in called:
            found.setdefault(name, []).append(address)
    return found


def lab(*nodes: str) -> str:
    listed = ", ".join(f"{{name: {name}}}" for name in nodes)
    return f"""
apiVersion: labkit.dev/v1
kind: Lab
metadata: {{name: lab}}
spec: {{nodes: [{listed}]}}
"""


def pod(name: str, namespace: str = "default") -> str:
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{app: web}}}}
spec:
  nodeName: node1
  containers: [{{name: web, ports: [{{containerPort: 80}}]}}]
"""


def service(name: str, *, cluster_ip: str, namespace: str = "default") -> str:
    return f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{clusterIP: {cluster_ip}, selector: {{app: web}}, ports: [{{port: 80}}]}}
"""


def test_nodes_clients_and_pods_have_their_addresses() -> None:
    found = names(lab("node1", "node2") + pod("web-1") + pod("web-1", "shop"))

    assert found["node1"] == ["192.168.0.1"]
    assert found["node2"] == ["192.168.0.2"]
    assert found["client"] == ["192.168.0.100"]
    assert found["web-1"] == ["10.244.1.2"]
    assert found["web-1.shop"] == ["10.244.1.3"]


def test_a_service_has_the_names_of_a_clusters_dns() -> None:
    found = names(
        lab("node1")
        + service("web", cluster_ip="10.96.0.80")
        + service("web", cluster_ip="10.96.0.81", namespace="shop")
    )

    for name in ("web", "web.default", "web.default.svc", "web.default.svc.cluster.local"):
        assert found[name] == ["10.96.0.80"]
    for name in ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local"):
        assert found[name] == ["10.96.0.81"]


def test_a_headless_service_leads_to_its_endpoints() -> None:
    found = names(lab("node1") + pod("a") + pod("b") + service("web", cluster_ip="None"))

    assert found["web"] == [*found["a"], *found["b"]]


def test_a_name_is_a_nodes_before_a_services_and_a_services_before_a_pods() -> None:
    found = names(
        lab("node1", "web")
        + pod("db")
        + service("db", cluster_ip="10.96.0.80")
        + service("web", cluster_ip="10.96.0.81")
    )

    assert found["web"] == ["192.168.0.2"]
    assert found["db"] == ["10.96.0.80"]


def test_of_the_machines_file_only_loopback_names_stay_that_the_lab_has_not() -> None:
    found = names(lab("node1", "tower"), MACHINE)

    assert found["localhost"] == ["127.0.0.1"]
    assert found["tower.example"] == ["127.0.1.1"]
    assert found["tower"] == ["192.168.0.2"]
    assert found["node1"] == ["192.168.0.1"]
    assert "printer" not in found
