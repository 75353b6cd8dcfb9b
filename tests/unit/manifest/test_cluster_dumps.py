"""A real cluster as a scenario: what is kept, what is left out, what is told."""

from __future__ import annotations

import pytest

from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load_text, with_objects, without_object
from labkit.manifest.only_services import only_services
from tests.unit.manifest import dumped
from tests.unit.manifest.dumped import Object, as_json, as_yaml, node, pod, service
from tests.unit.manifest.marked import errors

WORKER = node("worker", "10.0.0.4", "10.244.1.0/24")


def scenario(*objects: Object) -> Scenario:
    return load_text(as_yaml(*objects), file="dump.yaml")


def pod_names(found: Scenario) -> list[str]:
    return [each.metadata.name for each in found.pods]


def test_a_whole_cluster_is_accepted_as_it_is() -> None:
    found = scenario(*dumped.kind_cluster())
    assert found.displaced == ()
    assert [(each.name, each.address, each.pod_cidr) for each in found.lab.spec.nodes] == [
        ("kind-control-plane", "172.18.0.2", "10.244.0.0/24"),
        ("kind-worker", "172.18.0.3", "10.244.1.0/24"),
        ("kind-worker2", "172.18.0.4", "10.244.2.0/24"),
    ]
    assert found.ignored == (
        "1 ConfigMap",
        "Pod web-new (it has no address yet)",
        "Pod web-waits (it is on no node yet)",
        "Pod job-1 (it has ended)",
        "EndpointSlice web-ipv4 (labkit makes it from the pods)",
    )


def test_json_is_read_as_yaml_is() -> None:
    objects = list(dumped.kind_cluster())
    assert load_text(as_json(*objects), file="dump.yaml") == scenario(*objects)


def test_typed_lists_are_read_as_lists_are() -> None:
    objects = list(dumped.kind_cluster())
    kinds = sorted({str(each["kind"]) for each in objects})
    lists = [
        dumped.listed([each for each in objects if each["kind"] == kind], f"{kind}List")
        for kind in kinds
    ]
    text = "\n---\n".join(as_json(each) for each in lists)
    assert sorted(pod_names(load_text(text))) == sorted(pod_names(scenario(*objects)))


def test_a_truncated_dump_says_where_it_ends() -> None:
    text, _rest = as_json(*dumped.kind_cluster()).split("podIP", 1)
    (problem,) = errors(text)
    assert "this is not YAML" in problem
    assert problem.startswith(f"bad.yaml:{text.count(chr(10)) + 1}:")


def test_a_pod_whose_node_is_in_none_of_the_files_is_left_out_with_a_word() -> None:
    found = scenario(WORKER, pod("a", "worker", "10.244.1.2"), pod("b", "gone", "10.244.9.2"))
    assert pod_names(found) == ["a"]
    assert found.ignored == ("Pod b (its node gone is in none of the files)",)


def test_nodes_of_another_cluster_are_told() -> None:
    (problem,) = errors(as_yaml(WORKER, pod("a", "x1", "10.2.0.2"), pod("b", "x2", "10.2.1.2")))
    assert problem.endswith(
        "spec.nodeName: there is no node 'x1' in these files, nor one of any other pod;"
        " give the Nodes of the same cluster too (kubectl get nodes -o yaml)"
    )


def test_without_nodes_the_pods_say_which_there_are() -> None:
    found = scenario(
        pod("b", "n2", "10.42.1.9", host_ip="10.0.0.9"),
        pod("a", "n1", "10.42.0.9", host_ip="10.0.0.8"),
    )
    assert [(each.name, each.address) for each in found.lab.spec.nodes] == [
        ("n1", "10.0.0.8"),
        ("n2", "10.0.0.9"),
    ]
    assert [each.kind for each in found.displaced] == ["podCIDR", "podCIDR"]


def test_a_workload_of_a_cluster_stands_for_no_pods_where_pods_are_in_the_files() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    head: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": dumped.meta("idle")}
    deployment = {**head, "spec": spec}
    assert scenario(WORKER, deployment).workloads
    assert not scenario(WORKER, deployment, pod("a", "worker", "10.244.1.2")).workloads


def test_host_ports_are_kept_but_those_of_one_address_and_those_that_are_taken() -> None:
    port: Object = {"containerPort": 80, "hostPort": 80}
    ports: list[Object] = [port, {"containerPort": 81, "hostPort": 81, "hostIP": "10.0.0.4"}]
    found = scenario(
        WORKER,
        pod("ingress", "worker", "10.244.1.2", ports=ports),
        pod("old", "worker", "10.244.1.3", ports=[{**port, "hostIP": ""}], terminating=True),
    )
    given = [[each.host_port for each in pod.spec.containers[0].ports] for pod in found.pods]
    assert given == [[80, None], [None]]
    assert found.ignored == (
        "hostPort 81 TCP of Pod ingress (of address 10.0.0.4)",
        "hostPort 80 TCP of Pod old (Pod ingress has it on worker)",
    )


def test_two_pods_that_share_a_port_of_their_node_do_not_clash() -> None:
    both = [
        pod(name, "worker", "10.0.0.4", ports=[9100], host_network=True, terminating=terminating)
        for name, terminating in (("new", False), ("old", True))
    ]
    found = scenario(WORKER, *both)
    assert [len(each.spec.containers[0].ports) for each in found.pods] == [1, 0]
    assert found.ignored == ("port 9100 TCP of Pod old (Pod new has it on worker)",)


def test_a_name_for_a_target_port_that_no_pod_declares_is_the_clusters_own_affair() -> None:
    port = {"port": 80, "protocol": "TCP", "targetPort": "metrics"}
    web = service("web", "10.96.0.9", selector={"app": "a"}, port=port)
    assert scenario(WORKER, pod("a", "worker", "10.244.1.2"), web).services


def test_ipv6_addresses_of_a_dual_stack_cluster_are_left_out() -> None:
    found = scenario(
        node("n", ["fd00::4", "10.0.0.4"], ["fd01::/64", "10.244.0.0/24"]),
        pod("a", "n", ["fd01::7", "10.244.0.9"]),
        service(
            "s",
            ["fd02::5", "10.96.0.9"],
            selector={"app": "a"},
            type="LoadBalancer",
            externalIPs=["fd03::1", "192.0.2.1"],
            loadBalancerSourceRanges=["fd04::/64"],
            status={"loadBalancer": {"ingress": [{"ip": "fd05::1"}, {"hostname": "x.example"}]}},
        ),
    )
    assert found.displaced == ()
    assert found.ignored == ("IPv6 addresses of Service s",)
    (one,) = found.services
    assert (one.spec.cluster_ip, one.spec.external_ips) == ("10.96.0.9", ["192.0.2.1"])
    assert one.spec.load_balancer_source_ranges == []
    assert [each.hostname for each in one.status.load_balancer.ingress] == ["x.example"]


def test_node_ports_of_a_cluster_widen_the_range() -> None:
    port = {"port": 80, "protocol": "TCP", "nodePort": 20080}
    found = scenario(WORKER, service("s", "10.96.0.9", type="NodePort", port=port))
    assert found.lab.spec.node_port_range == "20080-32767"


def test_slices_without_a_service_and_of_names_are_left_out() -> None:
    lost = dumped.endpoint_slice("x", [], managed_by=None)
    lost["metadata"] = dumped.meta("lost")
    entry = {"addresses": ["a.example"]}
    names = dumped.endpoint_slice("y", [entry], address_type="FQDN", managed_by=None)
    assert scenario(WORKER, lost, names).ignored == (
        "EndpointSlice lost (it belongs to no Service)",
        "EndpointSlice y-fqdn (proxies use addresses, not names)",
    )


def test_an_object_that_is_in_two_lists_counts_once() -> None:
    a = pod("a", "worker", "10.244.1.2")
    found = scenario(WORKER, a, a)
    assert pod_names(found) == ["a"]
    assert len(found.ignored) == 1


def test_dumps_of_two_clusters_are_not_one() -> None:
    other = node("worker", "10.0.0.4", "10.244.1.0/24")
    other["metadata"] = dumped.meta("worker", None, uid="another")
    (problem,) = errors(as_yaml(WORKER, other))
    assert "metadata.uid: another Node worker is at bad.yaml:3:3; these are dumps of two" in problem


def test_a_client_is_added_with_a_name_that_nobody_has() -> None:
    found = scenario(WORKER, pod("client", "worker", "10.244.1.2"))
    assert [each.name for each in found.lab.spec.clients or ()] == ["client-2"]


def balanced(name: str, address: str, policy: str = "Cluster", mode: str = "VIP") -> Object:
    return service(
        name,
        None,
        selector={"app": name},
        type="LoadBalancer",
        externalTrafficPolicy=policy,
        status={"loadBalancer": {"ingress": [{"ip": address, "ipMode": mode}]}},
    )


def test_the_client_reaches_external_addresses_by_a_node_that_answers() -> None:
    found = scenario(
        node("sick", "10.0.0.3", "10.244.0.0/24", ready="False"),
        WORKER,
        node("worker2", "10.0.0.5", "10.244.2.0/24"),
        pod("local", "worker2", "10.244.2.2"),
        balanced("any", "192.0.2.1"),
        balanced("local", "192.0.2.2", "Local"),
        balanced("proxy", "192.0.2.3", mode="Proxy"),
        balanced("own", "10.0.0.5"),
    )
    routes = [route for client in found.lab.spec.clients or () for route in client.routes]
    assert [(each.to, each.via) for each in routes] == [
        ("192.0.2.1/32", "worker"),
        ("192.0.2.2/32", "worker2"),
    ]


LAB = "apiVersion: labkit.dev/v1\nkind: Lab\nmetadata: {name: mine}\nspec: "


def test_a_lab_beside_a_dump_says_what_it_says_and_the_cluster_the_rest() -> None:
    text = as_yaml(WORKER, pod("a", "worker", "10.244.1.2"))
    spec = load_text(f"{LAB}{{dataplane: none, clients: [{{name: me}}]}}\n---\n{text}").lab.spec
    assert [(each.address, each.pod_cidr) for each in spec.nodes] == [("10.0.0.4", "10.244.1.0/24")]
    assert (spec.dataplane, [each.name for each in spec.clients or ()]) == ("none", ["me"])
    assert spec.network.lan == "10.0.0.0/24"


def test_ranges_of_a_lab_beside_a_dump_win_over_the_clusters() -> None:
    text = as_yaml(WORKER, pod("a", "worker", "10.244.1.2"))
    found = load_text(f"{LAB}{{network: {{lan: 192.168.7.0/24}}}}\n---\n{text}")
    assert found.lab.spec.network.lan == "192.168.7.0/24"
    assert [(each.kind, each.given) for each in found.displaced] == [("Node", "10.0.0.4")]


def test_a_lab_with_other_nodes_than_the_dump_is_told() -> None:
    text = as_yaml(pod("a", "worker", "10.244.1.2"))
    (problem,) = errors(f"{LAB}{{nodes: [{{name: mine}}]}}\n---\n{text}")
    assert problem.endswith("leave the Lab's nodes out, or give them the names of the cluster's")


def test_a_lab_may_name_some_of_the_clusters_nodes() -> None:
    other = node("worker2", "10.0.0.5", "10.244.2.0/24")
    text = as_yaml(WORKER, other, pod("a", "worker", "10.244.1.2"), pod("b", "worker2", "10.2.2.2"))
    found = load_text(f"{LAB}{{nodes: [{{name: worker}}]}}\n---\n{text}")
    assert [(each.name, each.address) for each in found.lab.spec.nodes] == [("worker", "10.0.0.4")]
    assert pod_names(found) == ["a"]


def test_what_was_made_of_a_cluster_stays_when_objects_come_and_go() -> None:
    before = scenario(WORKER, pod("a", "worker", "10.9.9.9"), pod("b", "worker", "10.244.1.9"))
    new = {"metadata": {"name": "n"}, "spec": {"containers": [{"name": "c"}]}}
    after = with_objects(before, [{"apiVersion": "v1", "kind": "Pod", **new}])
    assert pod_names(after) == ["a", "b", "n"]
    assert (after.lab, after.displaced) == (before.lab, before.displaced)
    assert without_object(after, "Pod", "n").pods == before.pods


def test_only_pods_that_matter_to_a_service_or_a_check_stay() -> None:
    objects = [
        WORKER,
        pod("chosen", "worker", "10.244.1.2"),
        pod("target", "worker", "10.9.9.9"),
        pod("checked", "worker", "10.244.1.4"),
        pod("idle", "worker", "10.244.1.5"),
        pod("daemon", "worker", "10.0.0.4", ports=[9100], host_network=True),
        pod("other", "worker", "10.0.0.4", ports=[9999], host_network=True),
        service("s", "10.96.0.9", selector={"app": "chosen"}),
        service("by-hand", "10.96.0.10"),
        dumped.endpoint_slice("by-hand", [{"addresses": ["10.9.9.9"]}], managed_by=None),
        service("nodes", "10.96.0.11"),
        dumped.endpoint_slice(
            "nodes",
            [{"addresses": ["10.0.0.4"]}],
            managed_by=None,
            port={"name": "", "port": 9100, "protocol": "TCP"},
        ),
    ]
    check = (
        "\n---\napiVersion: labkit.dev/v1\nkind: Check\nmetadata: {name: c}\n"
        "spec: {from: checked, to: {service: s}, expect: {outcome: connected}}\n"
    )
    found = only_services(load_text(as_yaml(*objects) + check))
    assert pod_names(found) == ["chosen", "target", "checked", "daemon"]
    assert found.ignored == ("2 pods and workloads that matter to no Service",)
    assert {each.kind for each in found.objects} == {"Node", "Pod", "Service", "EndpointSlice"} | {
        "Check"
    }


@pytest.mark.parametrize("pods", [0, 1])
def test_slices_without_any_pod_ask_for_the_pods(pods: int) -> None:
    objects = [
        WORKER,
        service("s", "10.96.0.9", selector={"app": "a"}),
        dumped.endpoint_slice("s", [{"addresses": ["10.244.1.2"]}]),
        *[pod("a", "worker", "10.244.1.2")][:pods],
    ]
    if pods:
        assert scenario(*objects).pods
        return
    (problem,) = errors(as_yaml(*objects))
    assert "it has endpoints, but no Pod is in these files" in problem


def test_a_pod_on_the_network_of_a_node_without_ipv4_matters_to_a_slice_too() -> None:
    port = {"name": "", "port": 9100, "protocol": "TCP"}
    entry = {"addresses": ["fd00::4"]}
    found = scenario(
        node("n", "fd00::4"),
        pod("daemon", "n", "fd00::4", ports=[9100], host_network=True),
        pod("idle", "n", "fd01::7"),
        service("nodes", "10.96.0.11"),
        dumped.endpoint_slice("nodes", [entry], managed_by=None, address_type="IPv6", port=port),
    )
    assert pod_names(only_services(found)) == ["daemon"]
