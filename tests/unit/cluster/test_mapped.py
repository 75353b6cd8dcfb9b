"""Addresses of real clusters: honoured where a lab can have them, else mapped and told."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.cluster.build import build_cluster
from labkit.cluster.mapped import in_words
from labkit.cluster.model import Cluster, ContainerPort, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.manifest.load import load_text
from tests.unit.manifest import dumped
from tests.unit.manifest.dumped import Object, as_yaml, endpoint_slice, node, pod, service


def cluster(*objects: Object) -> Cluster:
    return build_cluster(load_text(as_yaml(*objects), file="dump.yaml"))


def changed(found: Cluster) -> list[tuple[str, str, str]]:
    return [(each.what, each.given, each.used) for each in found.mapped]


def addresses(found: Cluster) -> dict[str, str]:
    nodes = {each.name: str(each.address) for each in found.nodes}
    return nodes | {each.name: str(each.address) for each in found.pods}


def endpoints(found: Cluster) -> dict[str, list[str]]:
    return {str(name): [str(each) for each in each_] for name, each_ in found.endpoints.items()}


def test_a_whole_cluster_keeps_every_address() -> None:
    found = cluster(*dumped.kind_cluster())
    assert found.mapped == ()
    assert str(found.network.lan) == "172.18.0.0/24"
    assert addresses(found)["web-1"] == "10.244.1.5"
    assert addresses(found)["kube-system/kube-proxy-orker"] == "172.18.0.3"


def test_pods_in_the_nodes_own_network_are_mapped() -> None:
    """As with the AWS VPC CNI: neither is there a podCIDR, nor are pods apart from nodes."""
    found = cluster(
        node("ip-1", "192.168.12.34"),
        node("ip-2", "192.168.80.12"),
        pod("a", "ip-1", "192.168.13.7"),
        pod("b", "ip-2", "192.168.14.9"),
        service("s", "10.100.3.4", selector={"app": "b"}),
    )
    assert str(found.network.lan) == "192.168.0.0/17"
    assert changed(found) == [
        ("podCIDR of node ip-1", "", "10.244.1.0/24"),
        ("podCIDR of node ip-2", "", "10.244.2.0/24"),
        ("pod a", "192.168.13.7", "10.244.1.2"),
        ("pod b", "192.168.14.9", "10.244.2.2"),
    ]
    assert endpoints(found) == {"default/s": ["10.244.2.2:8080"]}


def test_a_range_that_only_one_nodes_pods_are_in_is_kept() -> None:
    """As with OpenShift, whose Nodes have no podCIDR, and which gives each a /23."""
    found = cluster(
        node("n1", "10.0.1.4"),
        node("n2", "10.0.2.5"),
        *[pod(f"a{i}", "n1", f"10.128.{i}.7") for i in (0, 1)],
        *[pod(f"b{i}", "n2", f"10.128.{i}.7") for i in (2, 3)],
    )
    assert [str(each.pod_cidr) for each in found.nodes] == ["10.128.0.0/23", "10.128.2.0/23"]
    assert [str(each.address) for each in found.pods] == [f"10.128.{i}.7" for i in range(4)]


def test_blocks_of_nodes_are_kept_and_what_is_outside_or_first_in_them_is_mapped() -> None:
    """As with Calico, whose blocks of 64 addresses have nothing to do with the podCIDR."""
    found = cluster(
        node("n1", "192.168.1.4", "192.168.0.0/24"),
        node("n2", "192.168.1.5", "192.168.1.0/24"),
        pod("first", "n1", "192.168.77.64"),
        pod("second", "n1", "192.168.77.70"),
        pod("third", "n2", "192.168.77.130"),
        pod("stray", "n2", "192.168.90.1"),
    )
    assert changed(found) == [
        ("podCIDR of node n1", "192.168.0.0/24", "192.168.77.64/26"),
        ("podCIDR of node n2", "192.168.1.0/24", "192.168.77.128/26"),
        ("pod first", "192.168.77.64", "192.168.77.66"),
        ("pod stray", "192.168.90.1", "192.168.77.131"),
    ]


def test_nodes_in_several_subnets_share_a_lan_that_holds_them() -> None:
    found = cluster(*[node(f"n{i}", f"10.0.{i}.9", f"10.42.{i}.0/24") for i in (1, 2, 3)])
    assert str(found.network.lan) == "10.0.0.0/22"
    assert found.mapped == ()


def test_a_node_far_from_the_others_is_mapped_and_all_that_is_at_its_address_follows() -> None:
    found = cluster(
        node("far", "10.0.1.5", "10.42.0.0/24"),
        *[node(f"n{i}", f"10.200.{i}.6", f"10.42.{i}.0/24") for i in (1, 7)],
        pod("host", "far", "10.0.1.5", host_network=True),
        service("s", "10.43.0.9", selector={"app": "x"}, externalIPs=["10.0.1.5"]),
        *dumped.the_api_server("10.0.1.5", "10.43.0.1"),
    )
    assert changed(found) == [("node far", "10.0.1.5", "10.200.0.1")]
    assert addresses(found)["host"] == "10.200.0.1"
    assert endpoints(found)["default/kubernetes:https"] == ["10.200.0.1:6443"]
    external = found.service_by_key[ObjectName("default", "s")].external_ips
    assert external == (IPv4Address("10.200.0.1"),)


def test_a_slice_follows_a_mapped_pod() -> None:
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        pod("kept", "n", "10.244.0.7"),
        pod("moved", "n", "10.9.9.9"),
        service("s", "10.96.0.9"),
        endpoint_slice("s", [{"addresses": ["10.9.9.9"]}, {"addresses": ["192.0.2.7"]}]),
    )
    assert changed(found) == [("pod moved", "10.9.9.9", "10.244.0.2")]
    (names,) = found.endpoints.values()
    assert [(str(each), each.pod) for each in names] == [
        ("10.244.0.2:8080", "moved"),
        ("192.0.2.7:8080", None),
    ]


def test_a_cluster_without_ipv4_has_ipv4_in_the_lab() -> None:
    kubernetes, _piece = dumped.the_api_server("fd00::4", "fd02::1")
    https = {"name": "https", "port": 6443, "protocol": "TCP"}
    entries = [{"addresses": ["fd00::4"]}, {"addresses": ["fd00::99"]}]
    found = cluster(
        node("n", "fd00::4", "fd01::/64"),
        pod("a", "n", "fd01::7"),
        pod("host", "n", "fd00::4", host_network=True),
        kubernetes,
        endpoint_slice("kubernetes", entries, managed_by=None, address_type="IPv6", port=https),
    )
    assert changed(found) == [
        ("node n", "fd00::4", "192.168.0.1"),
        ("podCIDR of node n", "fd01::/64", "10.244.1.0/24"),
        ("pod a", "fd01::7", "10.244.1.2"),
        ("Service kubernetes", "fd02::1", "10.96.0.10"),
    ]
    assert endpoints(found) == {"default/kubernetes:https": ["192.168.0.1:6443"]}
    assert addresses(found)["host"] == "192.168.0.1"


def test_a_cluster_ip_far_from_the_others_is_mapped() -> None:
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        *[service(f"s{i}", f"10.100.0.{i}") for i in (1, 2, 3)],
        service("far", "172.20.0.4"),
    )
    assert str(found.network.service_cidr) == "10.100.0.0/16"
    assert changed(found) == [("Service far", "172.20.0.4", "10.100.0.10")]


def test_cluster_ips_outside_the_default_range_are_kept() -> None:
    found = cluster(node("n", "10.0.0.4", "10.244.0.0/24"), service("s", "172.20.0.4"))
    assert (str(found.network.service_cidr), found.mapped) == ("172.20.0.0/16", ())


def test_nobody_is_given_an_address_that_is_outside() -> None:
    balancer = {"loadBalancer": {"ingress": [{"ip": "10.0.0.254"}]}}
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        service("lb", "10.96.0.9", type="LoadBalancer", status=balancer),
        service("db", "10.96.0.10"),
        endpoint_slice("db", [{"addresses": ["10.0.0.100"]}], managed_by=None),
    )
    assert str(found.network.gateway) == "10.0.0.253"
    assert [str(each.address) for each in found.clients] == ["10.0.0.101"]


def test_a_pod_of_a_cluster_serves_what_is_sent_to_it_declared_or_not() -> None:
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        pod("a", "n", "10.244.0.7", ports=()),
        pod(
            "kube-apiserver",
            "n",
            "10.0.0.4",
            labels={"component": "kube-apiserver"},
            ports=(),
            host_network=True,
        ),
        service("s", "10.96.0.9", selector={"app": "a"}),
        *dumped.the_api_server("10.0.0.4"),
    )
    served = {each.name: each.containers[0].ports for each in found.pods}
    assert served == {
        "a": (ContainerPort(port=8080, protocol=Protocol.TCP),),
        "kube-apiserver": (ContainerPort(port=6443, protocol=Protocol.TCP),),
    }
    (endpoint,) = [each[0] for name, each in found.endpoints.items() if name.name == "kubernetes"]
    assert endpoint.pod == "kube-apiserver"


def test_two_pods_on_one_nodes_network_do_not_serve_one_port() -> None:
    both = [
        pod(name, "n", "10.0.0.4", labels={"app": "a"}, ports=(), host_network=True)
        for name in ("a", "b")
    ]
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        *both,
        service("s", "10.96.0.9", selector={"app": "a"}),
    )
    assert [len(each.containers[0].ports) for each in found.pods] == [1, 0]


def test_a_pod_that_terminates_serves_and_is_not_ready() -> None:
    found = cluster(*dumped.kind_cluster())
    states = {
        each.pod: (each.ready, each.serving, each.terminating)
        for name, each_ in found.endpoints.items()
        if name.name == "web"
        for each in each_
    }
    assert states == {
        "web-1": (True, True, False),
        "web-2": (True, True, False),
        "web-gone": (False, True, True),
        "web-sick": (False, False, False),
    }


def test_without_a_ready_condition_the_containers_say_it() -> None:
    both = [
        pod("well", "n", "10.244.0.7"),
        pod("sick", "n", "10.244.0.8", ready=False),
    ]
    for each in both:
        status = each["status"]
        assert isinstance(status, dict)
        status["conditions"] = []
    found = cluster(node("n", "10.0.0.4", "10.244.0.0/24"), *both)
    assert {each.name: each.ready for each in found.pods} == {"well": True, "sick": False}


def test_many_addresses_that_are_mapped_alike_are_told_in_one_line() -> None:
    found = cluster(
        node("n", "10.0.0.4", "10.244.0.0/24"),
        pod("kept", "n", "10.244.0.9"),
        *[pod(f"p{i}", "n", f"10.9.{i}.9") for i in range(5)],
        service("far", "192.0.2.1"),
        *[service(f"s{i}", f"10.96.0.{i}") for i in (1, 2)],
    )
    pods, far = in_words(found.mapped)
    assert pods == (
        "5 × pod: 10.9.0.9 … 10.9.4.9 are 10.244.0.2 … 10.244.0.6 (it is not in its node's podCIDR)"
    )
    assert far == (
        "Service far: 192.0.2.1 is 10.96.0.10 (it is not in the serviceCIDR 10.96.0.0/16)"
    )


ADDRESS = st.integers(0, 2**32 - 1).map(lambda value: str(IPv4Address(value)))
NEAR = st.integers(0, 2**12).map(lambda value: str(IPv4Address("10.0.0.0") + value))
ANY = st.one_of(ADDRESS, NEAR, st.just("fd00::1"))
RANGE = st.one_of(
    st.none(),
    st.tuples(st.one_of(ADDRESS, NEAR), st.integers(16, 32)).map(
        lambda pair: str(IPv4Network((pair[0], pair[1]), strict=False))
    ),
)


NODES = st.lists(st.tuples(st.one_of(st.none(), ANY), RANGE), min_size=1, max_size=5)
PODS = st.lists(st.tuples(st.integers(0, 4), ANY), max_size=8)


@settings(deadline=None, max_examples=100)
@given(NODES, PODS, st.lists(ANY, max_size=4))
def test_any_addresses_make_a_lab_whose_ranges_are_apart(
    nodes: list[tuple[str | None, str | None]], pods: list[tuple[int, str]], cluster_ips: list[str]
) -> None:
    objects = [node(f"n{i}", *each) for i, each in enumerate(nodes)]
    objects += [pod(f"p{i}", f"n{n % len(nodes)}", text) for i, (n, text) in enumerate(pods)]
    objects += [service(f"s{i}", text) for i, text in enumerate(cluster_ips)]
    scenario = load_text(as_yaml(*objects), file="dump.yaml")
    found = build_cluster(scenario)
    network = found.network
    ranges = [network.lan, network.service_cidr, *(each.pod_cidr for each in found.nodes)]
    assert not any(one.overlaps(other) for one, other in combinations(ranges, 2))
    hosts = [host.address for host in found.nodes]
    hosts += [client.address for client in found.clients]
    hosts += [placed.address for placed in found.pods]
    assert len(set(hosts)) == len(hosts)
    assert all(each.address in network.lan for each in found.nodes)
    assert all(each.address in found.node_by_name[each.node].pod_cidr for each in found.pods)
    assert all(each.pod_cidr.subnet_of(network.pod_cidr) for each in found.nodes)
    told = {each.what for each in found.mapped}
    given_ = {each.metadata.name: each.status.pod_ip for each in scenario.pods}
    for each in found.pods:
        assert (f"pod {each.name}" in told) == (given_[each.name] is None)
        assert given_[each.name] in {None, str(each.address)}
