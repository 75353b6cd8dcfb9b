"""kube-proxy's own table of who gets where and who is masqueraded, by packets.

Every data plane shows the same table but for what its traits say; those cells are listed here, each
with the trait's name. tests/masquerade_table.py has the table and its source.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import pytest

from labkit.lab.lab import Lab
from labkit.lab.source import lab_object, pod_object
from labkit.probe.table import FlowRow
from labkit.pytest_plugin import LabFactory
from labkit.semantics.traits import Trait, traits_of
from tests.lab.predictions import surprises
from tests.masquerade_table import CHANGES, Asked, table

DATAPLANES = ("iptables", "nftables", "ipvs")
"""The fixture skips what this kernel lacks."""
KUBE_PROXY: Mapping[str, Mapping[str, object]] = {
    "default": {},
    "no detector": {"clusterCIDR": ""},
    "masqueradeAll": {"iptables": {"masqueradeAll": True}},
    "both": {"clusterCIDR": "", "iptables": {"masqueradeAll": True}},
}
POLICIES: Mapping[str, Mapping[str, object]] = {
    "Cluster": {},
    "eTP=Local": {"externalTrafficPolicy": "Local"},
    "iTP=Local": {"internalTrafficPolicy": "Local"},
}
NAMES = {"Cluster": "cluster", "eTP=Local": "external-local", "iTP=Local": "internal-local"}
"""The columns' Services."""
SOURCES = {"client": "client", "pod": "pod", "node1": "node"}
"""Who calls node1, and the table's word for it."""
TARGETS = {"ClusterIP": "ClusterIP", "NodePort": "NodePort", "LoadBalancer": "LB IP"}
LOCALHOST = "127.0.0.1"


class Deviation(NamedTuple):
    """Rows of the table that a data plane shows otherwise, and by which traits."""

    traits: frozenset[Trait]
    configs: Collection[str]
    rows: str


NO_LOCALHOST = Deviation(
    frozenset({Trait.LOCALHOST_NODE_PORTS}),
    CHANGES,
    "localhost localhost  refused    refused    refused",
)
DEVIATIONS: Mapping[str, Sequence[Deviation]] = {
    "iptables": (),
    "nftables": (NO_LOCALHOST,),
    "ipvs": (
        NO_LOCALHOST,
        Deviation(
            frozenset({Trait.OWN_ENDPOINTS_FIRST}),
            ("default", "masqueradeAll"),
            """
pod       NodePort   all+SNAT   local      all+SNAT
pod       LB-IP      all+SNAT   local      all+SNAT
""",
        ),
        Deviation(
            frozenset({Trait.OWN_ENDPOINTS_FIRST, Trait.NODE_PORT_IS_OWN_SOURCE}),
            CHANGES,
            "node      NodePort   all+SNAT   local      all+SNAT",
        ),
        Deviation(
            frozenset({Trait.OWN_ENDPOINTS_FIRST, Trait.VIP_IS_OWN_SOURCE}),
            CHANGES,
            "node      LB-IP      all+SNAT   local      all+SNAT",
        ),
        Deviation(
            frozenset({Trait.MASQUERADES_OWN_CALLS}),
            ("no detector",),
            "node      ClusterIP  all+SNAT   all+SNAT   local+SNAT",
        ),
    ),
}

for_every_configuration = pytest.mark.parametrize(
    ("dataplane", "config"), [(each, config) for each in DATAPLANES for config in CHANGES]
)


def wanted(dataplane: str, config: str) -> Mapping[Asked, str]:
    """The table with the deviations of a data plane."""
    changes = (each.rows for each in DEVIATIONS[dataplane] if config in each.configs)
    return table(config, "\n".join(changes))


def objects(config: str) -> list[Mapping[str, object]]:
    """Two nodes with an endpoint each, a pod beside the first, and a client that calls node1."""
    routes = [{"to": each, "via": "node1"} for each in ("10.96.0.0/12", "203.0.113.0/24")]
    spec = {
        "clients": [{"name": "client", "routes": routes}],
        # What masquerades here is the data plane alone.
        "network": {"podMasquerade": False},
        "kubeProxy": KUBE_PROXY[config],
    }
    lab = lab_object("masquerade-table", 2, (), spec)
    pods = [
        pod_object(name, node=node, labels={"app": app}, ports=[80], command=())
        for name, node, app in (
            ("web-1", "node1", "web"),
            ("web-2", "node2", "web"),
            ("pod", "node1", "other"),
        )
    ]
    return [lab, *pods, *(service(number, name) for number, name in enumerate(POLICIES, 1))]


def service(number: int, column: str) -> Mapping[str, object]:
    """The Service of one column; its addresses and its NodePort end in its number."""
    spec = {
        "type": "LoadBalancer",
        "clusterIP": f"10.96.0.{number}",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "nodePort": 30000 + number}],
        **POLICIES[column],
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAMES[column]},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": [{"ip": f"203.0.113.{number}"}]}},
    }


def seen(cluster: Lab) -> Mapping[Asked, str]:
    """The cell of each flow to node1, as packets show it."""
    columns = {f"default/{name}": column for column, name in NAMES.items()}
    return {
        asked(row, columns[row.service]): cell(cluster, row)
        for row in cluster.matrix(list(SOURCES)).flows
        if row.via in TARGETS and row.node in {None, "node1"}
    }


def asked(row: FlowRow, column: str) -> Asked:
    """Which of the table's flows a row is about."""
    assert row.via is not None
    if row.address == LOCALHOST:
        return Asked("localhost", "localhost", column)
    return Asked(SOURCES[row.source], TARGETS[row.via], column)


def cell(cluster: Lab, row: FlowRow) -> str:
    """The table's words for what a flow has shown; others where the table has none."""
    if row.outcome != "connected":
        return row.outcome
    node1 = cluster.cluster.node_by_name["node1"]
    reached = {("web-1",): "local", ("web-1", "web-2"): "all"}[tuple(sorted(row.backends))]
    # SNAT takes the address of the interface that leads to the pod.
    bridge, lan = str(node1.bridge_ip), str(node1.address)
    if row.sources_seen.keys() == ({bridge, lan} if reached == "all" else {bridge}):
        return f"{reached}+SNAT"
    # Of an address that a node has, it calls from that very address.
    own = {lan, row.address} if row.source == "node1" else {own_address(cluster, row.source)}
    if row.sources_seen.keys() <= own:
        return reached
    return f"{reached} from {' '.join(row.sources_seen)}"


def own_address(cluster: Lab, source: str) -> str:
    host = cluster.client(source) if source == "client" else cluster.pod(source)
    return str(host.address)


@for_every_configuration
def test_who_is_reached_and_who_is_masqueraded(
    dataplane: str, config: str, lab: LabFactory
) -> None:
    cluster = lab(objects(config), dataplane=dataplane)
    # What is not masqueraded is answered past node1: by a stranger, whom no client listens to.
    back = ["ip", "route", "add", f"{cluster.client('client').address}/32", "via"]
    cluster.exec("node2", [*back, str(cluster.node("node1").address)], check=True)

    assert seen(cluster) == wanted(dataplane, config)


@for_every_configuration
def test_the_same_flows_are_as_the_model_predicts(
    dataplane: str, config: str, lab: LabFactory
) -> None:
    cluster = lab(objects(config), dataplane=dataplane)

    assert surprises(cluster, list(SOURCES)) == []


@pytest.mark.parametrize("dataplane", DATAPLANES)
def test_every_deviation_is_one_and_is_by_its_traits(dataplane: str) -> None:
    apart = traits_of(dataplane) ^ traits_of("iptables")

    for deviation in DEVIATIONS[dataplane]:
        assert deviation.traits <= apart
        for config in deviation.configs:
            assert table(config, deviation.rows) != table(config)
