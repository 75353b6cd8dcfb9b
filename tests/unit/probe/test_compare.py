from __future__ import annotations

import msgspec
import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.errors import UsageError
from labkit.manifest.load import load_text
from labkit.probe.compare import Comparison, compare
from labkit.probe.flow import Outcome, Via
from labkit.probe.plan import flows
from labkit.probe.table import SCHEMA, FlowRow, FlowTable, HealthStatus, Kernel
from labkit.semantics.traits import Trait

SERVICE = """\
apiVersion: labkit.dev/v1
kind: Lab
metadata: {{name: shop}}
spec: {{nodes: [{{name: node1}}, {{name: node2}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web-1, labels: {{app: web}}}}
spec: {{nodeName: node1, containers: [{{name: web, image: web, ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web-2, labels: {{app: web}}}}
spec: {{nodeName: node2, containers: [{{name: web, image: web, ports: [{{containerPort: 80}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  sessionAffinity: {affinity}
  selector: {{app: web}}
  ports: [{{port: 80, nodePort: 30080}}]
"""


def cluster(affinity: str = "None") -> Cluster:
    return build_cluster(load_text(SERVICE.format(affinity=affinity)))


def asked(cluster: Cluster, source: str, via: Via, address: str | None = None) -> FlowRow:
    """A flow of the plan, answered by both pods, which see node1."""
    (flow,) = (
        each
        for each in flows(cluster, [source])
        if each.via is via and address in {None, str(each.address)}
    )
    return FlowRow(
        source=flow.source,
        service=flow.service,
        port=flow.port,
        protocol=flow.protocol,
        via=flow.via,
        node=flow.node,
        address=str(flow.address),
        dport=flow.dport,
        attempts=20,
        outcome=Outcome.CONNECTED,
        outcomes={Outcome.CONNECTED: 20},
        backends={"web-1": 12, "web-2": 8},
        sources_seen={"192.168.0.1": 8, "10.244.1.1": 12},
        client_sources=("preserved",),
    )


REFUSED = {
    "outcome": Outcome.REFUSED,
    "outcomes": {Outcome.REFUSED: 20},
    "backends": {},
    "sources_seen": {},
    "client_sources": (),
}


def probed(dataplane: str, *rows: FlowRow, health: tuple[HealthStatus, ...] = ()) -> FlowTable:
    return FlowTable(
        schema=SCHEMA,
        scenario="shop",
        dataplane=dataplane,
        kernel=Kernel(kind="host", release="6.18.0"),
        nodes={"node1": "192.168.0.1", "node2": "192.168.0.2"},
        clients={"client": "192.168.0.100"},
        health_checks=health,
        flows=rows,
    )


def compared(before: FlowRow, after: FlowRow, affinity: str = "None") -> Comparison:
    return compare(cluster(affinity), probed("ipvs", before), probed("nftables", after))


CLUSTER_IP = asked(cluster(), "node1", Via.CLUSTER_IP)
LOCALHOST = asked(cluster(), "node1", Via.NODE_PORT, "127.0.0.1")
POD = asked(cluster(), "node1", Via.POD_IP, "10.244.1.2")


def changed(row: FlowRow, **fields: object) -> FlowRow:
    return msgspec.structs.replace(row, **fields)


def test_attempts_and_shares_are_no_difference() -> None:
    after = changed(CLUSTER_IP, attempts=40, backends={"web-1": 1, "web-2": 39})

    found = compared(CLUSTER_IP, after)

    assert found.compared == 1
    assert found.differences == ()
    assert found.passed


def test_a_difference_that_nobody_foresaw_fails() -> None:
    found = compared(CLUSTER_IP, changed(CLUSTER_IP, **REFUSED))

    (difference,) = found.unnamed
    assert difference.after.outcome is Outcome.REFUSED
    assert not found.passed


def test_a_difference_says_what_was_expected() -> None:
    (difference,) = compared(CLUSTER_IP, changed(CLUSTER_IP, **REFUSED)).differences

    expected = difference.reason.expected_after
    assert expected is not None
    assert {(each.outcome, each.backend) for each in expected.deliveries} == {
        ("connected", "web-1"),
        ("connected", "web-2"),
    }


def test_mixed_outcomes_are_a_difference_without_a_name() -> None:
    mixed = {Outcome.CONNECTED: 19, Outcome.TIMED_OUT: 1}
    after = changed(CLUSTER_IP, outcome=Outcome.MIXED, outcomes=mixed)

    assert len(compared(CLUSTER_IP, after).unnamed) == 1
    assert compared(after, after).differences == ()


def test_calls_to_pods_are_no_data_planes_business() -> None:
    (difference,) = compared(POD, changed(POD, **REFUSED)).unnamed

    assert difference.reason.expected_after == difference.reason.expected_before


def test_known_differences_have_their_name_both_ways() -> None:
    closed = changed(LOCALHOST, **REFUSED)
    both = (probed("iptables", LOCALHOST), probed("nftables", closed))

    for before, after in (both, both[::-1]):
        found = compare(cluster(), before, after)
        assert [each.trait for each in found.causes] == [Trait.LOCALHOST_NODE_PORTS]
        assert found.passed


def test_between_equal_data_planes_no_difference_has_a_name() -> None:
    closed = changed(LOCALHOST, **REFUSED)

    found = compare(cluster(), probed("iptables", LOCALHOST), probed("iptables", closed))

    assert len(found.unnamed) == 1


def test_a_flow_in_one_table_only_is_said_and_no_difference() -> None:
    found = compare(
        cluster(), probed("ipvs", CLUSTER_IP, POD), probed("nftables", CLUSTER_IP, LOCALHOST)
    )

    assert found.compared == 1
    assert found.only_before == (POD,)
    assert found.only_after == (LOCALHOST,)
    assert found.passed


def test_tables_without_a_common_flow_are_refused() -> None:
    with pytest.raises(UsageError, match="no flow in common"):
        compare(cluster(), probed("ipvs", POD), probed("nftables", LOCALHOST))


def test_tables_without_any_flow_are_the_same() -> None:
    assert compare(cluster(), probed("ipvs"), probed("nftables")).passed


def test_a_table_of_an_unknown_data_plane_is_refused() -> None:
    with pytest.raises(UsageError, match="data plane ebpf cannot be compared"):
        compare(cluster(), probed("ebpf", POD), probed("nftables", POD))


@pytest.mark.parametrize("wrong", ["nowhere", "2001:db8::1"])
def test_an_address_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(UsageError, match="is no IPv4 address"):
        compared(CLUSTER_IP, changed(CLUSTER_IP, sources_seen={wrong: 20}))


def test_under_session_affinity_any_one_pod_will_do() -> None:
    first = changed(CLUSTER_IP, backends={"web-1": 20}, sources_seen={"10.244.1.1": 20})
    second = changed(CLUSTER_IP, backends={"web-2": 20}, sources_seen={"192.168.0.1": 20})

    assert compared(first, second, "ClientIP").differences == ()
    assert len(compared(first, second).unnamed) == 1


def test_under_session_affinity_two_pods_are_one_too_many() -> None:
    one = changed(CLUSTER_IP, backends={"web-1": 20}, sources_seen={"10.244.1.1": 20})

    assert len(compared(one, CLUSTER_IP, "ClientIP").unnamed) == 1


def test_under_session_affinity_the_pod_still_sees_what_it_saw() -> None:
    one = changed(CLUSTER_IP, backends={"web-1": 20}, sources_seen={"10.244.1.1": 20})
    other = changed(one, sources_seen={"192.168.0.1": 20})

    assert len(compared(one, other, "ClientIP").unnamed) == 1


def test_a_health_check_that_answers_otherwise_fails() -> None:
    good = HealthStatus(service="default/web", node="node1", port=32000, status=200)
    bad = msgspec.structs.replace(good, status=503)

    found = compare(
        cluster(), probed("ipvs", POD, health=(good,)), probed("nftables", POD, health=(bad,))
    )

    assert [(each.before.status, each.after.status) for each in found.health] == [(200, 503)]
    assert not found.passed


def test_a_service_that_the_scenario_does_not_have_makes_differences_without_a_name() -> None:
    stranger = changed(CLUSTER_IP, service="default/gone")

    assert len(compared(stranger, changed(stranger, **REFUSED)).unnamed) == 1
