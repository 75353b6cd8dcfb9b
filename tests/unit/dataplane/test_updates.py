"""A change of one Service touches its own chains and the fixed ones that list Services."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labkit.cluster.model import Cluster, Endpoint, Service
from labkit.cluster.object_names import ObjectName
from labkit.dataplane import rules
from labkit.dataplane.iptables.render import render
from labkit.dataplane.names import port_proto_hash
from tests.unit.dataplane.clusters import CLUSTER_IP, HERE, NODE1, P80, THERE, WEB, cluster
from tests.unit.dataplane.restored import restored, saved
from tests.unit.dataplane.strategies import changed, clusters

OTHER = replace(
    WEB,
    key=ObjectName("ns1", "other"),
    cluster_ip=CLUSTER_IP + 1,
    ports=(replace(P80, node_port=30081),),
    external_ips=(),
    ingress=(),
)
LISTS = {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"}


def own_chains(service: Service) -> set[str]:
    name, protocol = service.port_name(service.ports[0]), service.ports[0].protocol
    chains = {
        f"KUBE-{kind}-{port_proto_hash(name, protocol)}" for kind in ("SVC", "SVL", "EXT", "FW")
    }
    return chains | {
        f"KUBE-SEP-{port_proto_hash(name, protocol, str(each))}" for each in (HERE, THERE)
    }


def touched(update: str) -> set[str]:
    """Every chain that the update names in any way but as a target."""
    return {
        word
        for line in update.splitlines()
        for word in (line.replace(":", "-A ", 1) if line.startswith(":") else line).split()[1:2]
        if line[0] in ":-"
    }


def with_endpoints(lab: Cluster, service: Service, *endpoints: Endpoint) -> Cluster:
    name = service.port_name(service.ports[0])
    return replace(lab, endpoints={**lab.endpoints, name: endpoints})


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(cluster(OTHER), id="removed"),
        pytest.param(with_endpoints(cluster(OTHER, WEB), WEB), id="no endpoint left"),
        pytest.param(with_endpoints(cluster(OTHER, WEB), WEB, HERE), id="an endpoint less"),
        pytest.param(cluster(OTHER, replace(WEB, affinity_timeout_s=60)), id="affinity"),
    ],
)
def test_a_change_touches_the_chains_of_its_service_alone(after: Cluster) -> None:
    before = render(cluster(OTHER, WEB), NODE1)

    update = render(after, NODE1).changes_from(before)

    assert touched(update) & own_chains(WEB)
    assert touched(update) <= own_chains(WEB) | LISTS


def test_a_new_service_brings_its_chains_and_no_other() -> None:
    update = render(cluster(OTHER, WEB), NODE1).changes_from(render(cluster(OTHER), NODE1))

    assert touched(update) <= own_chains(WEB) | LISTS
    assert not own_chains(OTHER) & touched(update)


def test_an_endpoint_less_leaves_the_lists_of_services_alone() -> None:
    before = render(cluster(OTHER, WEB), NODE1)

    after = render(with_endpoints(cluster(OTHER, WEB), WEB, HERE), NODE1)

    assert not LISTS & touched(after.changes_from(before))


def test_chains_that_are_gone_are_deleted_in_the_transaction_that_lets_go_of_them() -> None:
    before = render(cluster(OTHER, WEB), NODE1)

    update = render(cluster(OTHER), NODE1).changes_from(before)

    nat = update.partition("*nat\n")[2]
    assert nat.count("COMMIT") == 1
    deleted = {line.split()[1] for line in nat.splitlines() if line.startswith("-X ")}
    assert deleted == own_chains(WEB) & {chain for table in before.tables for chain in table.chains}
    assert all(f":{chain} - [0:0]" in nat for chain in deleted)


@pytest.mark.parametrize("others", [400, 4000])
def test_an_endpoint_less_is_as_many_lines_among_many(others: int) -> None:
    many = (
        replace(
            OTHER,
            key=ObjectName("ns1", f"other-{number}"),
            cluster_ip=CLUSTER_IP + number,
            ports=(replace(P80, node_port=None),),
        )
        for number in range(1, others)
    )
    lab = cluster(*many, WEB)
    before = render(lab, NODE1)

    after = render(with_endpoints(lab, WEB, HERE), NODE1, before)

    gone = f"KUBE-SEP-{port_proto_hash(WEB.port_name(P80), P80.protocol, str(THERE))}"
    picks = f"KUBE-SVC-{port_proto_hash(WEB.port_name(P80), P80.protocol)}"
    update = after.changes_from(before).splitlines()
    assert [" ".join(line.split(" ")[:2]) for line in update] == [
        "*nat",
        f":{picks} -",
        f":{gone} -",
        f"-A {picks}",
        f"-A {picks}",
        f"-X {gone}",
        "COMMIT",
    ]


def test_a_service_among_many_is_put_in_its_place() -> None:
    many = [
        replace(OTHER, key=ObjectName("ns1", f"other-{n:03}"), cluster_ip=CLUSTER_IP + n)
        for n in range(1, 100)
    ]
    one = replace(OTHER, key=ObjectName("ns1", "other-050-and-a-half"), cluster_ip=CLUSTER_IP + 200)
    fewer, more = cluster(*many), cluster(*many[:50], one, *many[50:])
    chain = f"KUBE-SVC-{port_proto_hash(one.port_name(one.ports[0]), one.ports[0].protocol)}"

    added = render(more, NODE1).changes_from(render(fewer, NODE1))
    removed = render(fewer, NODE1).changes_from(render(more, NODE1))

    services = "KUBE-SERVICES"
    (line,) = (line for line in added.splitlines() if services in line)
    assert line.startswith(f"-I {services} 51 -d {CLUSTER_IP + 200}/32 ")
    assert line.endswith(f"-j {chain}")
    assert [line for line in removed.splitlines() if services in line] == [f"-D {services} 51"]


@pytest.fixture(params=[1, rules.FEW], ids=["in place where it can be", "as it is"])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change short chains in place, too, rule by rule."""
    monkeypatch.setattr(rules, "FEW", request.param)


@pytest.mark.usefixtures("few")
@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_changes_one_after_the_other_leave_what_a_fresh_install_leaves(
    data: st.DataObject,
) -> None:
    lab = data.draw(clusters())
    before = render(lab, NODE1)
    kernel = saved(before)
    for _ in range(data.draw(st.integers(1, 3))):
        lab = data.draw(changed(lab))
        after, fresh = render(lab, NODE1, before), render(lab, NODE1)
        kernel = restored(kernel, after.changes_from(before), flush=False)

        assert after == fresh
        assert kernel == saved(fresh)
        before = after
