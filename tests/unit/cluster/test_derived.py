"""A scenario and a cluster that change are what they would be if they were made from nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.cluster import host_names as host_names_module
from labkit.cluster.build import build_cluster
from labkit.cluster.derived import origin as origin_module
from labkit.cluster.derived import services as services_module
from labkit.cluster.host_names import host_names
from labkit.cluster.model import Cluster, Endpoint
from labkit.cluster.object_names import ServicePortName
from labkit.errors import ManifestError, UsageError
from labkit.manifest import change as change_module
from labkit.manifest.assemble import assemble
from labkit.manifest.kinds import Scenario
from labkit.manifest.known import known_of, look_at
from labkit.manifest.load import load_objects, with_objects, without_object
from labkit.manifest.loaded import Loaded
from labkit.manifest.objects import Source, read_objects
from labkit.manifest.plain_objects import tree_of
from labkit.manifest.scope import build_scope

Manifest: TypeAlias = Mapping[str, Any]

LAB: Manifest = {
    "apiVersion": "labkit.dev/v1",
    "kind": "Lab",
    "metadata": {"name": "lab"},
    "spec": {
        "nodes": [
            {"name": "node1", "podCIDR": "10.244.0.0/24"},
            {"name": "node2", "podCIDR": "10.244.1.0/24"},
        ],
        "nodePortRange": "30000-30005",
    },
}


def service(name: str, **spec: object) -> Manifest:
    body = {"ports": [{"name": "http", "port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def pod(name: str, labels: Mapping[str, str], **spec: object) -> Manifest:
    port = {"name": "web", "containerPort": 8080}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": dict(labels)},
        "spec": {"containers": [{"name": "web", "ports": [port]}], **spec},
    }


def piece(name: str, owner: str, addresses: Sequence[str]) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": owner}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [each]} for each in addresses],
    }


def deployment(name: str, replicas: int, labels: Mapping[str, str]) -> Manifest:
    template = {"metadata": {"labels": labels}, "spec": pod("", labels)["spec"]}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def dumped(manifest: Manifest) -> Manifest:
    """The same as a real cluster has it: a uid, and a pod that runs with an address."""
    metadata = {**manifest["metadata"], "uid": f"{manifest['kind']} {manifest['metadata']['name']}"}
    found = {**manifest, "metadata": metadata}
    if manifest["kind"] == "Pod":
        last = 10 + int(metadata["name"][-1])
        found["spec"] = {**manifest["spec"], "nodeName": "node1"}
        found["status"] = {"phase": "Running", "podIP": f"10.244.0.{last}"}
    return found


NAMES = st.sampled_from(["one", "two", "three"])
LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from("ab"), min_size=1)
TARGETS = st.sampled_from([8080, 9090, "web", "nobody-has"])
POD_NAMES = st.sampled_from(["pod-1", "pod-2", "pod-3"])
ADDRESSES = st.sampled_from(["10.244.0.2", "10.244.1.2", "10.244.0.3", "172.16.0.1"])
PORTS = st.builds(
    lambda target, node_port: [
        {"name": "http", "port": 80, "targetPort": target, "nodePort": node_port}
    ],
    TARGETS,
    st.sampled_from([None, None, 30001, 30002]),
)
SERVICES = st.builds(
    lambda name, spec: service(name, **spec),
    NAMES,
    st.fixed_dictionaries(
        {"type": st.sampled_from(["NodePort", "NodePort", "ClusterIP"]), "ports": PORTS},
        optional={
            "selector": LABELS,
            "clusterIP": st.sampled_from(["10.96.0.10", "10.96.0.11", "None"]),
            "trafficDistribution": st.just("PreferSameNode"),
        },
    ),
)
PODS = st.builds(
    lambda name, labels, spec: pod(name, labels, **spec),
    POD_NAMES,
    LABELS,
    st.fixed_dictionaries(
        {}, optional={"nodeName": st.just("node2"), "hostNetwork": st.booleans()}
    ),
)
SLICES = st.builds(
    piece, st.sampled_from(["a", "b"]), NAMES, st.lists(ADDRESSES, min_size=1, max_size=2)
)
DEPLOYMENTS = st.builds(deployment, st.just("pod"), st.integers(0, 3), LABELS)
OBJECTS = st.one_of(SERVICES, PODS, SLICES, DEPLOYMENTS)
REMOVED = st.one_of(
    st.tuples(st.just("Service"), NAMES),
    st.tuples(st.just("Pod"), POD_NAMES),
    st.tuples(st.just("EndpointSlice"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("Deployment"), st.just("pod")),
)
STEPS = st.lists(st.one_of(st.lists(OBJECTS, min_size=1, max_size=3), REMOVED), max_size=12)


def step(scenario: Scenario, change: list[Manifest] | tuple[str, str]) -> Scenario:
    """Make a change; one that cannot be leaves the scenario as it is."""
    try:
        if isinstance(change, tuple):
            return without_object(scenario, *change)
        return with_objects(scenario, change)
    except (ManifestError, UsageError):
        return scenario


def validated_whole(scenario: Scenario, change: list[Manifest] | tuple[str, str]) -> Scenario:
    """The same change as `step`, with every object looked at again."""
    new: Sequence[Loaded] = ()
    if isinstance(change, list):
        new = read_objects(
            [Source(tree_of(each, "<objects>")[0], "<objects>") for each in change]
        ).loaded
        gone = {(each.kind, each.key.name) for each in new}
    else:
        gone = {change}
    kept = [each for each in scenario.objects if (each.kind, each.key.name) not in gone]
    if isinstance(change, tuple) and len(kept) == len(scenario.objects):
        return scenario
    try:
        return assemble([*kept, *new], path=scenario.path, base=scenario)
    except ManifestError:
        return scenario


@pytest.mark.parametrize("of_cluster", [False, True], ids=["written", "of a real cluster"])
@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_a_changed_cluster_is_the_one_built_from_nothing_and_shares_what_stayed(
    steps: list[list[Manifest] | tuple[str, str]], *, of_cluster: bool
) -> None:
    first = dumped(pod("pod-9", {"app": "a"})) if of_cluster else pod("pod-9", {"app": "a"})
    scenario = load_objects([LAB, first])
    cluster = build_cluster(scenario)
    names = host_names(cluster, MACHINE)
    for change in steps:
        if of_cluster and isinstance(change, list):
            change = [dumped(each) for each in change]  # noqa: PLW2901
        changed = step(scenario, change)
        assert_known(changed)
        try:
            after = build_cluster(changed, previous=cluster)
        except UsageError:
            continue  # no node port is left
        assert after == build_cluster(changed, previous=replace(cluster, origin=None))
        assert_shared(cluster, after)
        names = host_names(after, MACHINE, names)
        assert sorted(names.text.splitlines()) == hosts_from_nothing(after)
        scenario, cluster = changed, after


@given(steps=STEPS)
@settings(max_examples=150, deadline=None)
def test_a_changed_scenario_is_the_one_validated_whole(
    steps: list[list[Manifest] | tuple[str, str]],
) -> None:
    scenario = load_objects([LAB])
    for change in steps:
        changed = step(scenario, change)
        assert changed == validated_whole(scenario, change)
        scenario = changed


MACHINE = "127.0.0.1 localhost one\n127.0.1.1 tower three.default\n"


def hosts_from_nothing(cluster: Cluster) -> list[str]:
    return sorted(host_names(cluster, MACHINE).text.splitlines())


def assert_known(scenario: Scenario) -> None:
    """What is known of a changed scenario is what a look at all of it finds."""
    known = known_of(scenario)
    fresh = look_at(scenario.objects, build_scope(scenario.lab, scenario.objects))
    assert known is scenario.known
    assert known.by_identity == fresh.by_identity
    assert known.claims == fresh.claims
    assert (known.dumped, known.owned) == (fresh.dumped, fresh.owned)
    assert known.scope.services == fresh.scope.services
    assert known.scope.pods == fresh.scope.pods
    for each in scenario.objects:
        labels = [(each.key.namespace, name, value) for name in ("app", "tier") for value in "ab"]
        for label in labels:
            assert {*known.by_named_port.under(label)} == {*fresh.by_named_port.under(label)}
        assert {*known.by_service.under(each.key)} == {*fresh.by_service.under(each.key)}


def assert_shared(before: Cluster, after: Cluster) -> None:
    for key, service_ in after.service_by_key.items():
        was = before.service_by_key.get(key)
        assert was is service_ or was != service_
    for name, endpoints in after.endpoints.items():
        old = before.endpoints.get(name)
        assert old is endpoints or old != endpoints
    for name_, pod_ in after.pod_by_name.items():
        before_ = before.pod_by_name.get(name_)
        assert before_ is pod_ or before_ != pod_


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[Any]:
    """Have a function of a module note what it is asked with, each time."""
    asked: list[Any] = []
    real: Callable[..., object] = getattr(module, name)

    def noting(*given: object) -> object:
        asked.append(given)
        return real(*given)

    monkeypatch.setattr(module, name, noting)
    return asked


def many(number: int) -> Scenario:
    """So many Services with a slice each, and as many that select one pod each."""
    names = [f"s-{n}" for n in range(number)]
    return load_objects(
        [
            LAB,
            *(service(name) for name in names),
            *(piece(name, name, [f"172.16.{n}.1"]) for n, name in enumerate(names)),
            *(service(f"of-{name}", selector={"of": name}) for name in names),
            *(pod(f"pod-{name}", {"of": name}, nodeName="node1") for name in names),
        ]
    )


@pytest.mark.parametrize("number", [3, 60])
@pytest.mark.parametrize(
    ("change", "validated", "built", "given"),
    [
        ([piece("s-1", "s-1", ["172.16.1.1", "172.16.1.2"])], ["s-1"], [], ["s-1"]),
        ([service("new", selector={"of": "s-1"})], ["new"], ["new"], ["new"]),
        ([service("s-1", type="NodePort")], ["s-1", "s-1"], ["s-1"], ["s-1"]),
        ([pod("more", {"of": "s-2"})], ["more"], [], ["of-s-2"]),
        ([pod("more", {"of": "nobody"})], ["more"], [], []),
        ([pod("pod-s-1", {"of": "s-1"}, nodeName="node1")], ["pod-s-1"], [], ["of-s-1"]),
        (("Pod", "pod-s-1"), [], [], ["of-s-1"]),
        (("EndpointSlice", "s-1"), [], [], ["s-1"]),
        (("Service", "s-1"), ["s-1"], [], []),
    ],
    ids=[
        "an endpoint more",
        "a Service more",
        "a Service changed",
        "a pod more",
        "a pod that nobody selects",
        "a pod given again",
        "a pod less",
        "a slice less",
        "a Service less",
    ],
)
def test_a_change_looks_at_what_it_concerns_however_much_else_there_is(
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    change: list[Manifest] | tuple[str, str],
    validated: list[str],
    built: list[str],
    given: list[str],
) -> None:
    scenario = many(number)
    cluster = build_cluster(scenario)
    looked_at = counted(monkeypatch, change_module, "findings_of")
    made = counted(monkeypatch, services_module, "build_services")
    asked = counted(monkeypatch, origin_module, "endpoints_of")

    after = build_cluster(step(scenario, change), previous=cluster)

    assert after is not cluster
    assert [loaded.key.name for loaded, _ in looked_at] == validated
    assert [each.metadata.name for manifests, *_ in made for each in manifests] == built
    assert [each.key.name for each, _ in asked] == given


def test_a_cluster_changed_by_hand_is_gone_on_from_as_it_is() -> None:
    scenario = load_objects([LAB, service("web", type="NodePort")])
    cluster = build_cluster(scenario)
    moved = replace(cluster.services[0], cluster_ip=IPv4Address("10.96.7.7"))

    after = build_cluster(scenario, previous=replace(cluster, services=(moved,)))

    assert after.services == (moved,)


def test_a_pod_that_comes_to_an_address_which_a_slice_names_is_that_endpoint() -> None:
    scenario = load_objects([LAB, service("web"), piece("web", "web", ["10.244.0.2"])])
    cluster = build_cluster(scenario)

    changed = with_objects(scenario, [pod("pod-1", {"app": "a"}, nodeName="node1")])

    assert [endpoint.pod for endpoint in endpoints(cluster)] == [None]
    assert [each.pod for each in endpoints(build_cluster(changed, previous=cluster))] == ["pod-1"]


def test_the_other_slices_of_a_service_stay_when_one_changes() -> None:
    slices = [piece("a", "web", ["172.16.0.1"]), piece("b", "web", ["172.16.0.2"])]
    scenario = load_objects([LAB, service("web"), *slices])
    cluster = build_cluster(scenario)

    changed = with_objects(scenario, [piece("a", "web", ["172.16.0.3"])])

    found = endpoints(build_cluster(changed, previous=cluster))
    assert [str(each.address) for each in found] == ["172.16.0.2", "172.16.0.3"]


def test_of_two_pods_on_one_port_of_a_node_that_given_last_is_the_endpoint() -> None:
    """Though it be given again as it was: then it is the last in the files."""
    both = [
        pod(
            f"pod-{n}", {"app": "a"}, nodeName="node1", hostNetwork=True, containers=[{"name": "c"}]
        )
        for n in (1, 2)
    ]
    scenario = load_objects([LAB, *both, service("web", selector={"app": "a"})])
    cluster = build_cluster(scenario)
    assert [each.pod for each in endpoints(cluster)] == ["pod-2"]

    changed = with_objects(scenario, [both[0]])

    assert [each.pod for each in endpoints(build_cluster(changed, previous=cluster))] == ["pod-1"]


def endpoints(cluster: Cluster) -> Sequence[Endpoint]:
    return cluster.endpoints[ServicePortName("default", "web", "http")]


@pytest.mark.parametrize("number", [3, 60])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        (service("s-1", clusterIP="10.96.9.9"), ["s-1", "headless"]),
        (piece("s-1", "s-1", ["172.16.1.1", "172.16.1.2"]), ["headless"]),
    ],
    ids=["a Service's address", "an endpoint"],
)
def test_hosts_are_named_again_where_their_addresses_may_be_others(
    monkeypatch: pytest.MonkeyPatch, number: int, change: Manifest, named: list[str]
) -> None:
    scenario = with_objects(many(number), [service("headless", clusterIP="None")])
    cluster = build_cluster(scenario)
    names = host_names(cluster, "")
    asked = counted(monkeypatch, host_names_module, "_addresses")

    after = host_names(build_cluster(with_objects(scenario, [change]), previous=cluster), "", names)

    assert after.services.keys() == names.services.keys()
    assert [each[1].key.name for each in asked] == named
