"""What iptables makes of rendered rules: it takes them, and shows them again as they were given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from labkit.cluster.model import Cluster
from labkit.dataplane.base import Change
from labkit.dataplane.iptables.apply import Backend, IptablesPlane
from labkit.dataplane.rules import Ruleset, Table
from labkit.errors import CommandError
from labkit.kernel.features import feature
from labkit.kernel.netns import Edge, Namespace
from tests.unit.dataplane.clusters import CLUSTER_IP, NODE1, WEB, cluster
from tests.unit.dataplane.restored import Tables, restored, saved
from tests.unit.dataplane.strategies import clusters

EXAMPLES = settings(
    max_examples=25,
    deadline=None,
    # Every example installs whole tables: nothing of the one before is left in the namespace.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(params=["nft", "legacy"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return "nft" if request.param == "nft" else "legacy"


@pytest.fixture
def node(backend: Backend) -> Iterator[Namespace]:
    with Edge() as edge:
        for wanted in (f"iptables {backend}", "recent match", "statistic match"):
            found = feature(edge, wanted)
            if not found.available:
                pytest.skip(f"{wanted}: {found.found}; {found.remedy}")
        yield edge.namespace("node1")


@pytest.fixture
def plane(backend: Backend, node: Namespace) -> IptablesPlane:
    return IptablesPlane(backend=backend).fitted(node)


def in_the_kernel(node: Namespace, backend: Backend) -> Tables:
    """What iptables-save shows, without counters, dates and tables that labkit does not touch."""
    text = node.execute([f"iptables-{backend}-save"])
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    shown = restored({}, "\n".join(lines), flush=True)
    return {
        table: chains for table, chains in shown.items() if table in ("mangle", "filter", "nat")
    }


@pytest.mark.timeout(120)
@EXAMPLES
@given(old=clusters(), new=clusters())
def test_an_update_and_a_full_install_leave_the_same_rules(
    old: Cluster, new: Cluster, node: Namespace, backend: Backend, plane: IptablesPlane
) -> None:
    before, after = plane.render(old, old.nodes[0]), plane.render(new, new.nodes[0])

    plane.apply([Change(node, before, None)])
    assert in_the_kernel(node, backend) == saved(before)

    plane.apply([Change(node, after, before)])
    assert in_the_kernel(node, backend) == saved(after)


def test_a_refused_rule_is_quoted(node: Namespace, plane: IptablesPlane) -> None:
    broken = Ruleset((Table("nat", {"KUBE-SERVICES": ("-p tcp --dport nowhere -j ACCEPT",)}),))

    with pytest.raises(CommandError) as refusal:
        plane.apply([Change(node, broken, None)])

    assert "-A KUBE-SERVICES -p tcp --dport nowhere -j ACCEPT" in str(refusal.value)
    assert "node1" in str(refusal.value)


def test_a_refused_table_keeps_what_it_had(
    node: Namespace, backend: Backend, plane: IptablesPlane
) -> None:
    good = Ruleset((Table("nat", {"KUBE-SERVICES": ("-s 10.0.0.0/8 -j ACCEPT",)}),))
    bad = Ruleset((Table("nat", {"KUBE-SERVICES": ("-j KUBE-SVC-NOWHERE",)}),))
    plane.apply([Change(node, good, None)])

    with pytest.raises(CommandError):
        plane.apply([Change(node, bad, good)])

    assert in_the_kernel(node, backend)["nat"]["KUBE-SERVICES"] == ["-s 10.0.0.0/8 -j ACCEPT"]


def test_a_change_keeps_the_counters_of_what_did_not_change(
    node: Namespace, backend: Backend, plane: IptablesPlane
) -> None:
    before, after = (plane.render(cluster(*services), NODE1) for services in ((), (WEB,)))
    plane.apply([Change(node, before, None)])
    node.execute(["ip", "link", "set", "lo", "up"])
    node.execute(["ip", "address", "add", f"{CLUSTER_IP}/32", "dev", "lo"])
    node.execute(["bash", "-c", f"exec 3<>/dev/udp/{CLUSTER_IP}/9; echo hello >&3"])
    first_rule = [f"iptables-{backend}", "-t", "nat", "-vxnL", "KUBE-POSTROUTING", "1"]
    counted = node.execute(first_rule).split()[0]

    plane.apply([Change(node, after, before)])

    assert int(counted) > 0
    assert node.execute(first_rule).split()[0] == counted


def test_the_other_nodes_get_their_rules_when_one_is_refused(
    node: Namespace, backend: Backend, plane: IptablesPlane
) -> None:
    good = plane.render(cluster(WEB), NODE1)
    bad = Ruleset((Table("nat", {"PREROUTING": ("-j KUBE-NOWHERE",)}),))
    with Edge() as edge:
        others = [edge.namespace(f"node{number}") for number in (2, 3)]
        changes = [Change(node, good, None), *(Change(other, good, None) for other in others)]
        changes[1] = Change(others[0], bad, None)

        with pytest.raises(CommandError) as refusal:
            plane.apply(changes)

        assert refusal.value.where == "node2"
        for served in (node, others[1]):
            assert in_the_kernel(served, backend) == saved(good)


def test_services_come_and_go_in_a_long_list(
    node: Namespace, backend: Backend, plane: IptablesPlane
) -> None:
    many = [
        replace(
            WEB,
            key=WEB.key._replace(name=f"svc-{number:03}"),
            cluster_ip=CLUSTER_IP + number,
            ports=(replace(WEB.ports[0], node_port=None),),
            external_ips=(),
            ingress=(),
        )
        for number in range(1, 151)
    ]
    before = plane.render(cluster(*many), NODE1)
    plane.apply([Change(node, before, None)])

    for services in (many[:70] + many[71:], many, many[:-1], many, many[1:], many):
        after = plane.render(cluster(*services), NODE1, before)
        assert "-F KUBE-SERVICES" not in after.changes_from(before)
        assert ":KUBE-SERVICES" not in after.changes_from(before)
        plane.apply([Change(node, after, before)])
        assert in_the_kernel(node, backend) == saved(after)
        before = after
