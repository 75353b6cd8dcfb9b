"""The running lab through its Python API."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import pytest

import labkit
from labkit.pytest_plugin import LabFactory
from tests.lab.probe_hosts import open_files


def with_service(cluster: labkit.Lab, **spec: object) -> labkit.Lab:
    cluster.add_service("web", selector={"app": "web"}, ports=[80], **spec)
    return cluster


def test_rules_follow_pods_that_come_and_go(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    assert cluster.probe("node1", to="web:80").outcome == "refused"

    cluster.add_pod("web-1", node="node2", labels={"app": "web"}, ports=[80])
    assert cluster.probe("node1", to="web:80").backends.keys() == {"web-1"}

    cluster.add_pod("web-2", node="node1", labels={"app": "web"}, ports=[80])
    assert cluster.probe("node1", to="web:80").backends.keys() == {"web-1", "web-2"}

    cluster.remove("Pod", "web-1")
    assert cluster.probe("node1", to="web:80").backends.keys() == {"web-2"}

    cluster.remove("Service", "web")
    with pytest.raises(labkit.UsageError, match="web"):
        cluster.probe("node1", to="web:80")


def test_a_changed_service_replaces_the_old_one(lab: LabFactory) -> None:
    cluster = lab(nodes=2)
    cluster.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80])
    ports = [{"port": 80, "nodePort": 30080}]
    spec = {"type": "NodePort", "selector": {"app": "web"}, "ports": ports}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    cluster.add([service])
    assert cluster.probe("client", to="node2:30080").client_sources == {"node2"}

    cluster.add([{**service, "spec": {**spec, "externalTrafficPolicy": "Local"}}])

    assert cluster.probe("client", to="node2:30080").outcome == "timeout"
    assert cluster.probe("client", to="node1:30080").client_sources == {"preserved"}


def test_a_released_node_port_can_be_taken_again(lab: LabFactory) -> None:
    cluster = lab(nodes=2)
    cluster.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80])
    ports = [{"port": 80, "nodePort": 30080}]
    cluster.add_service("a", selector={"app": "web"}, type="NodePort", ports=ports)
    with pytest.raises(labkit.ManifestError, match="30080"):
        cluster.add_service("b", selector={"app": "web"}, type="NodePort", ports=ports)

    cluster.remove("Service", "a")
    assert cluster.probe("client", to="node1:30080").outcome == "refused"
    cluster.add_service("b", selector={"app": "web"}, type="NodePort", ports=ports)

    assert cluster.probe("client", to="node1:30080").backends.keys() == {"web-1"}


def test_a_bad_object_changes_nothing(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    before = cluster.cluster

    with pytest.raises(labkit.ManifestError, match="containerPort"):
        cluster.add_pod("web-1", labels={"app": "web"}, ports=[99999])

    assert cluster.cluster == before
    assert cluster.probe("node1", to="web:80").outcome == "refused"


def test_a_program_runs_in_a_hosts_namespaces(lab: LabFactory) -> None:
    cluster = lab(nodes=2)

    done = cluster.exec("node2", ["ip", "-4", "-oneline", "address", "show", "eth0"], check=True)

    assert str(cluster.node("node2").address) in done.stdout


def test_a_program_that_fails_says_so(lab: LabFactory) -> None:
    cluster = lab(nodes=1)

    assert cluster.exec("node1", ["sh", "-c", "echo no >&2; exit 3"]).returncode == 3
    with pytest.raises(labkit.CommandError, match="exited 3: no"):
        cluster.exec("node1", ["sh", "-c", "echo no >&2; exit 3"], check=True)


def test_a_command_in_a_pod_is_that_program_and_its_output_is_kept(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    server = ["/usr/bin/python3", "-u", "-m", "http.server", "80"]
    cluster.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80], command=server)

    assert cluster.probe("node2", to="web:80").outcome == "connected"
    assert "GET /" in cluster.logs()["web-1/main"]


def test_a_command_that_ends_at_once_is_an_error_with_its_output(lab: LabFactory) -> None:
    cluster = lab(nodes=1)
    dies = ["sh", "-c", "echo I give up; exit 7"]

    with pytest.raises(labkit.LabError, match=r"ended with 7.*I give up"):
        cluster.add_pod("web-1", ports=[80], command=dies)


def test_two_labs_with_the_same_addresses_do_not_meet(lab: LabFactory) -> None:
    one, other = lab(nodes=2), lab(nodes=2)
    for cluster, name in ((one, "left"), (other, "right")):
        with_service(cluster).add_pod(name, node="node1", labels={"app": "web"}, ports=[80])

    assert one.cluster.nodes == other.cluster.nodes
    assert one.probe("node2", to="web:80").backends.keys() == {"left"}
    assert other.probe("node2", to="web:80").backends.keys() == {"right"}


def test_a_lab_that_is_not_running_says_so() -> None:
    with pytest.raises(labkit.LabError, match="not running"):
        labkit.Lab(nodes=1).probe("client", to="node1:80")


def test_probing_an_unknown_host_names_the_nearest(lab: LabFactory) -> None:
    with pytest.raises(labkit.UsageError, match="did you mean client"):
        lab(nodes=1).probe("clint", to="node1:80")


def test_a_client_behind_the_router_is_seen_with_its_own_address(lab: LabFactory) -> None:
    far = {
        "apiVersion": "labkit.dev/v1",
        "kind": "Lab",
        "metadata": {"name": "far"},
        "spec": {
            "nodes": [{"name": "node1"}, {"name": "node2"}],
            "clients": [{"name": "far", "address": "203.0.113.5"}],
        },
    }
    cluster = lab([far])
    cluster.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80])
    cluster.add_service(
        "web",
        selector={"app": "web"},
        type="NodePort",
        ports=[{"port": 80, "nodePort": 30080}],
        externalTrafficPolicy="Local",
    )

    seen = cluster.probe("far", to="node1:30080")

    assert [str(address) for address in seen.sources_seen] == ["203.0.113.5"]
    assert seen.client_sources == {"preserved"}


def test_a_lab_that_could_not_change_is_what_it_was(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    cluster.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80])
    dies = ["sh", "-c", "exit 7"]

    with pytest.raises(labkit.LabError, match="ended with 7"):
        cluster.add_pod("web-2", node="node2", labels={"app": "web"}, ports=[80], command=dies)

    assert [pod.name for pod in cluster.cluster.pods] == ["web-1"]
    assert cluster.probe("node2", to="web:80").backends.keys() == {"web-1"}
    cluster.add_pod("web-2", node="node2", labels={"app": "web"}, ports=[80])
    assert cluster.probe("node2", to="web:80").backends.keys() == {"web-1", "web-2"}


def test_a_pod_on_the_host_network_can_come_and_go(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "proxy", "labels": {"app": "web"}},
        "spec": {
            "nodeName": "node2",
            "hostNetwork": True,
            "containers": [{"name": "main", "ports": [{"containerPort": 80}]}],
        },
    }

    cluster.add([pod])
    assert cluster.probe("node1", to="web:80").backends.keys() == {"proxy"}
    assert cluster.probe("proxy", to="web:80").outcome == "connected"

    cluster.remove("Pod", "proxy")
    assert cluster.probe("node1", to="web:80").outcome == "refused"


@pytest.mark.timeout(120)
def test_tens_of_thousands_of_probes_find_no_silence_that_is_not_there(lab: LabFactory) -> None:
    """Beside as many that are dropped: the responders' queues must not fill."""
    cluster = lab("scenarios/hairpin.yaml")

    table = cluster.matrix(["client", "node1"], attempts=5000)

    assert {row.outcome for row in table.flows} == {"connected", "timeout"}


def test_a_check_of_what_is_gone_is_one_error(lab: LabFactory) -> None:
    cluster = lab("scenarios/hairpin.yaml")
    cluster.remove("Pod", "web-1")

    with pytest.raises(labkit.UsageError, match="host web-1 does not exist"):
        cluster.check()


def test_a_command_that_is_no_program_is_an_error_that_leaks_nothing(lab: LabFactory) -> None:
    cluster = lab(nodes=1)
    before = open_files()

    with pytest.raises(labkit.UsageError, match="no program of this machine"):
        cluster.add_pod("web-1", ports=[80], command=["no-such-program"])

    gc.collect()  # a file that was not closed is a warning here, and warnings are errors
    assert open_files() == before


def test_a_row_has_what_the_specification_says_beside_what_was_seen(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))
    cluster.add_pod("web-1", node="node2", labels={"app": "web"}, ports=[80])

    row = cluster.row("node1", "web:80")

    assert (row.outcome, set(row.backends), row.agrees) == ("connected", {"web-1"}, True)
    assert row.expected
    assert row.expected.backends == ("web-1",)
    assert cluster.row("node1", "node2:8080").expected is None


def test_programs_find_hosts_and_services_by_name_also_when_those_change(lab: LabFactory) -> None:
    cluster = with_service(lab(nodes=2))

    def address_of(name: str, *, seen_from: str) -> list[str]:
        return cluster.exec(seen_from, ["getent", "ahostsv4", name]).stdout.split()[:1]

    assert address_of("node2", seen_from="client") == [str(cluster.node("node2").address)]
    assert address_of("web-1", seen_from="client") == []

    cluster.add_pod("web-1", node="node2", labels={"app": "web"}, ports=[80])
    curl = cluster.exec("node1", ["curl", "-s", "web.default.svc.cluster.local/hostname"])

    assert curl.stdout == "web-1"
    assert address_of("web-1", seen_from="client") == [str(cluster.pod("web-1").address)]
    cluster.remove("Pod", "web-1")
    assert address_of("web-1", seen_from="client") == []


def test_the_machines_own_file_of_names_is_not_written(lab: LabFactory) -> None:
    before = Path("/etc/hosts").read_bytes()
    cluster = lab(nodes=1)

    cluster.exec("client", ["true"])

    assert Path("/etc/hosts").read_bytes() == before
    assert "/etc/hosts" not in Path("/proc/self/mountinfo").read_text()


def test_a_lab_that_is_entered_twice_is_one_lab_and_leaves_no_thread(lab: LabFactory) -> None:
    before = set(threading.enumerate())

    with lab("scenarios/nodeport-cluster.yaml") as cluster:
        assert cluster.probe("client", "node2:30080").outcome == "connected"

    assert set(threading.enumerate()) <= before
