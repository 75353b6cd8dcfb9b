from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network

import pytest

from labkit.cluster.model import Client, Cluster, KubeProxy, Network, Node
from labkit.errors import UsageError
from labkit.probe.flow import Outcome
from labkit.probe.table import (
    HealthStatus,
    Sharing,
    flow_row,
    flow_table,
    from_json,
    schema,
    to_json,
)
from tests.unit.report.examples import CLUSTER_IP, masqueraded, seen

# The documented example, as documented.
DOCUMENTED = """\
{"schema": "labkit.dev/flow-table/v1", "scenario": "nodeport-cluster", "dataplane": "iptables",
 "kernel": {"kind": "host", "release": "6.18.0"}, "nodes": {"node1": "192.168.0.1"}, "clients": {"client": "192.168.0.100"},
 "flows": [
  {"source": "client", "service": "default/my-nginx", "port": "http", "protocol": "TCP",
   "via": "NodePort", "node": "node2", "address": "192.168.0.2", "dport": 30080,
   "attempts": 20, "outcome": "connected",
   "outcomes": {"connected": 20}, "backends": {"web-1": 20},
   "sources_seen": {"192.168.0.2": 20}, "client_sources": ["node2"],
   "expected": {"outcome": "connected", "backends": ["web-1"], "client_sources": ["node2"], "why": "…"},
   "agrees": true}]}
"""  # noqa: E501 - copied

CLUSTER = Cluster(
    name="nodeport-cluster",
    dataplane="iptables",
    network=Network(
        lan=IPv4Network("192.168.0.0/24"),
        gateway=IPv4Address("192.168.0.254"),
        pod_cidr=IPv4Network("10.244.0.0/16"),
        service_cidr=IPv4Network("10.96.0.0/12"),
    ),
    kube_proxy=KubeProxy(cluster_cidr=None),
    nodes=(
        Node(
            name="node1",
            address=IPv4Address("192.168.0.1"),
            pod_cidr=IPv4Network("10.244.1.0/24"),
        ),
    ),
    clients=(Client(name="client", address=IPv4Address("192.168.0.100")),),
)


def health(service: str, node: str, status: int) -> HealthStatus:
    return HealthStatus(service=service, node=node, port=32000, status=status)


def test_the_documented_example_survives_a_round_trip_byte_for_byte() -> None:
    canonical = json.dumps(json.loads(DOCUMENTED), indent=2, ensure_ascii=False)

    assert to_json(from_json(DOCUMENTED)) == canonical


def test_an_observed_table_is_the_documented_example_with_nothing_expected() -> None:
    wanted = json.loads(DOCUMENTED)
    wanted["flows"][0] |= {"expected": None, "agrees": None}

    table = flow_table(CLUSTER, [flow_row(masqueraded())], kernel_release="6.18.0")

    assert to_json(table) == json.dumps(wanted, indent=2)


def test_attempts_that_differ_make_a_mixed_outcome() -> None:
    mixed = seen(CLUSTER_IP, {Outcome.CONNECTED: 15, Outcome.REFUSED: 5})

    (row,) = flow_table(CLUSTER, [flow_row(mixed)], kernel_release="6.18.0").flows

    assert (row.outcome, row.attempts) == ("mixed", 20)
    assert row.outcomes == {"connected": 15, "refused": 5}
    assert row.node is None


def test_one_service_with_a_health_check_port_gives_a_status_by_node() -> None:
    checks = [health("default/web", "node1", 200), health("default/web", "node2", 503)]

    table = flow_table(CLUSTER, [], kernel_release="6.18.0", health_checks=checks)

    found = json.loads(to_json(table))
    assert found["health_check_node_port"] == {"node1": 200, "node2": 503}
    assert found["health_checks"][1] == {
        "service": "default/web",
        "node": "node2",
        "port": 32000,
        "status": 503,
    }


def test_of_several_services_the_worst_status_of_a_node_counts() -> None:
    checks = [health("default/a", "node1", 503), health("default/b", "node1", 200)]

    table = flow_table(CLUSTER, [], kernel_release="6.18.0", health_checks=checks)

    assert table.health_check_node_port == {"node1": 503}
    assert len(table.health_checks) == 2


def test_without_a_health_check_port_nothing_is_said_of_one() -> None:
    table = flow_table(CLUSTER, [], kernel_release="6.18.0")

    assert "health_check" not in to_json(table)
    assert table.health_check_node_port is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"schema": "labkit.dev/flow-table/v2"}', DOCUMENTED.replace("connected", "maybe")],
    ids=["empty", "array", "other version", "unknown outcome"],
)
def test_what_is_no_flow_table_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no flow table"):
        from_json(text)


def test_the_schema_lists_every_field_of_a_row() -> None:
    definitions = schema()["$defs"]

    assert isinstance(definitions, dict)
    assert list(definitions["FlowRow"]["properties"]) == list(json.loads(DOCUMENTED)["flows"][0])


def test_rows_that_say_the_same_hold_it_once() -> None:
    sharing = Sharing()
    one, other = (sharing.row(flow_row(masqueraded())) for _ in range(2))

    assert one == other == flow_row(masqueraded())
    assert one.backends is other.backends
    assert one.outcomes is other.outcomes
    assert one.sources_seen is other.sources_seen
    assert one.client_sources is other.client_sources
