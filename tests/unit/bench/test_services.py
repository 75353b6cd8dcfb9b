"""The clusters whose rules are measured."""

from __future__ import annotations

import pytest

from labkit.bench.lab.clusters import pod_cluster
from labkit.bench.sync.planes import chosen_planes
from labkit.bench.sync.services import (
    CALLER,
    SERVICES,
    service_cluster,
    with_another_endpoint,
    with_one_more,
)
from labkit.cluster.model import Cluster
from labkit.dataplane import data_plane


def test_every_service_has_an_address_and_three_endpoints_of_its_own() -> None:
    cluster = service_cluster(500, seed=3)

    assert len({service.cluster_ip for service in cluster.services}) == 500
    assert all(service.cluster_ip in SERVICES for service in cluster.services)
    assert len(cluster.endpoints) == 500
    for endpoints in cluster.endpoints.values():
        assert len({each.pod for each in endpoints}) == 3
        assert CALLER not in {each.pod for each in endpoints}
        assert sorted(endpoints, key=lambda each: each.address) == list(endpoints)


def test_the_seed_decides_who_answers() -> None:
    assert service_cluster(20, seed=1) == service_cluster(20, seed=1)
    assert service_cluster(20, seed=1).endpoints != service_cluster(20, seed=2).endpoints


def test_ten_thousand_services_fit_into_their_network() -> None:
    last = service_cluster(10_000, seed=0).services[-1]
    assert last.cluster_ip in SERVICES


def changed(before: Cluster, after: Cluster) -> int:
    names = before.endpoints.keys() | after.endpoints.keys()
    return sum(before.endpoints.get(name) != after.endpoints.get(name) for name in names)


def test_one_more_service_leaves_all_others_the_objects_that_they_were() -> None:
    before = service_cluster(10, seed=0)

    after = with_one_more(before)

    assert len(after.services) == 11
    kept = zip(before.services, after.services[:-1], strict=True)
    assert all(old is new for old, new in kept)
    assert changed(before, after) == 1


def test_another_endpoint_changes_one_of_three_of_one_service() -> None:
    before = service_cluster(10, seed=0)

    after = with_another_endpoint(before)

    assert after.services == before.services
    assert changed(before, after) == 1
    name = before.services[5].port_name(before.services[5].ports[0])
    old = {each.pod for each in before.endpoints[name]}
    new = {each.pod for each in after.endpoints[name]}
    assert (len(old & new), len(new)) == (2, 3)


@pytest.mark.parametrize("dataplane", ["iptables", "nftables", "ipvs"])
def test_every_data_plane_renders_what_is_measured(dataplane: str) -> None:
    cluster = service_cluster(3, seed=0)

    text = data_plane(dataplane).render(cluster, cluster.nodes[0]).text()

    for service in cluster.services:
        assert str(service.cluster_ip) in text


def test_pods_are_spread_evenly() -> None:
    cluster = pod_cluster(3, 10)

    assert [len(cluster.pods_on(node.name)) for node in cluster.nodes] == [4, 3, 3]
    for node in cluster.nodes:
        assert all(pod.address in node.pod_cidr for pod in cluster.pods_on(node.name))
    assert len({pod.address for pod in cluster.pods}) == 10
    assert node_addresses_are_free(cluster)


def node_addresses_are_free(cluster: Cluster) -> bool:
    return not {node.bridge_ip for node in cluster.nodes} & {pod.address for pod in cluster.pods}


@pytest.mark.parametrize(
    ("only", "names", "by_hand"),
    [
        ((), ["iptables-nft", "nftables"], [True, True]),
        (("nftables",), ["nftables"], [False]),
        (("nftables", "by-hand"), ["nftables"], [True]),
        (("ipvs",), [], []),
    ],
)
def test_who_takes_part_is_chosen_by_name(
    only: tuple[str, ...], names: list[str], by_hand: list[bool]
) -> None:
    found = chosen_planes(("iptables", "nftables"), ("nft",), "", only)

    assert [plane.name for plane in found] == names
    assert [bool(plane.tool) for plane in found] == by_hand


def test_a_real_kube_proxy_takes_part_in_its_mode() -> None:
    *_, last = chosen_planes(("nftables",), ("nft",), "ipvs", ())
    assert last.name == "kube-proxy"
    assert "ip_vs" in last.needs
