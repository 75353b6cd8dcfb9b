"""Random clusters: valid, on the hosts that there are, and the same as a file."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.fuzz.clusters import RandomCluster, clusters
from labkit.fuzz.ground import Trial, all_flows
from labkit.fuzz.hosts import everybody
from labkit.fuzz.scenario import scenario_text
from labkit.manifest.load import load_objects, load_text
from labkit.probe.flow import Via

EVERYBODY = build_cluster(load_objects(list(everybody(5, {}))))
RANDOM = clusters(nodes=5, services=3, spec={})
no_hurry = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


def built(random_cluster: RandomCluster) -> Cluster:
    return build_cluster(load_objects(random_cluster.manifests))


@no_hurry
@given(RANDOM)
def test_every_cluster_is_valid_and_its_hosts_have_the_addresses_of_the_lab(
    random_cluster: RandomCluster,
) -> None:
    cluster = built(random_cluster)

    assert cluster.services
    assert cluster.clients == EVERYBODY.clients
    for node in cluster.nodes:
        assert node.address == EVERYBODY.node_by_name[node.name].address
        assert node.pod_cidr == EVERYBODY.node_by_name[node.name].pod_cidr
    for pod in cluster.pods:
        there = EVERYBODY.pod_by_name[pod.name]
        assert (pod.node, pod.address, pod.containers) == (
            there.node,
            there.address,
            there.containers,
        )


@no_hurry
@given(RANDOM)
def test_a_cluster_written_to_a_file_is_the_same_cluster(random_cluster: RandomCluster) -> None:
    text = scenario_text(random_cluster.manifests, Trial(), dataplane="nftables", comment="Why.")

    read = load_text(text)
    cluster, before = (
        build_cluster(read),
        build_cluster(load_objects(random_cluster.manifests), dataplane="nftables"),
    )

    assert read.description == "Why."
    assert cluster == before


@no_hurry
@given(RANDOM)
def test_no_two_services_have_the_same_place(random_cluster: RandomCluster) -> None:
    """Which of two Services is served there would be chance."""
    places = [
        (flow.address, flow.dport, flow.protocol, flow.service)
        for flow in all_flows(built(random_cluster))
        if flow.port
    ]

    assert len({place[:3] for place in places}) == len(set(places))


@no_hurry
@given(RANDOM)
def test_no_flow_goes_past_the_rules(random_cluster: RandomCluster) -> None:
    assert all(flow.via is not Via.POD_IP for flow in all_flows(built(random_cluster)))


WANTED: dict[str, Callable[[Cluster], bool]] = {
    "a Service of each type": lambda c: {s.type for s in c.services} >= {"ClusterIP", "NodePort"},
    "externalTrafficPolicy Local": lambda c: any(s.external_policy_local for s in c.services),
    "internalTrafficPolicy Local": lambda c: any(s.internal_policy_local for s in c.services),
    "source ranges": lambda c: any(s.source_ranges for s in c.services),
    "session affinity": lambda c: any(s.affinity_timeout_s for s in c.services),
    "a terminating endpoint that serves": lambda c: any(
        e.terminating and e.serving for each in c.endpoints.values() for e in each
    ),
    "hints": lambda c: any(
        e.zone_hints or e.node_hints for each in c.endpoints.values() for e in each
    ),
    "a hostNetwork endpoint": lambda c: any(
        e.address == n.address for each in c.endpoints.values() for e in each for n in c.nodes
    ),
    "an address that two Services share": lambda c: (
        len(c.services) > 1
        and bool(set(c.services[0].external_ips) & set(c.services[1].external_ips))
    ),
    "UDP and TCP on one NodePort": lambda c: (
        len(ports := [p.node_port for _, p in c.service_ports() if p.node_port]) > len(set(ports))
    ),
    "five nodes": lambda c: len(c.nodes) == 5,
    "no endpoint": lambda c: not any(c.endpoints.values()),
}


def test_there_are_clusters_of_every_kind() -> None:
    left = dict(WANTED)

    @settings(max_examples=500, database=None, deadline=None, derandomize=True)
    @given(RANDOM)
    def look(random_cluster: RandomCluster) -> None:
        if left:
            cluster = built(random_cluster)
            for what in [what for what, is_so in left.items() if is_so(cluster)]:
                del left[what]

    look()

    assert left == {}
