"""Of flows that meet a node's own firewall the model says nothing; of others what it did."""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Protocol
from labkit.errors import UsageError
from labkit.lab.targets import parse
from labkit.manifest.load import load_text
from labkit.probe.expected import explain

HERE = Path(__file__).parents[3] / "scenarios"
PLAIN = (HERE / "health-check-node-port-firewall.yaml").read_text()
ON_HOST = PLAIN.replace("  nodeName: node1\n", "  nodeName: node1\n  hostNetwork: true\n")


def says(text: str, dataplane: str, source: str, to: str) -> str:
    """The outcome that the model expects; empty if it says nothing."""
    cluster = build_cluster(load_text(text), dataplane=dataplane)
    try:
        return explain(cluster, parse(cluster, source, to, Protocol.TCP)).expected.outcome
    except UsageError as error:
        return "" if "inputPolicy" in str(error) else str(error)


@pytest.mark.parametrize(
    ("dataplane", "source", "to", "outcome"),
    [
        ("iptables", "client", "node1:30080", "connected"),
        ("nftables", "client", "node1:30080", "connected"),
        ("ipvs", "client", "node1:30080", ""),
        ("ipvs", "web-1", "web:80", ""),
        ("ipvs", "node1", "web:80", "connected"),
        ("none", "client", "node1:30080", ""),
        ("none", "node1", "node1:30080", "refused"),
    ],
)
def test_what_the_node_takes_for_its_own_is_for_its_firewall(
    dataplane: str, source: str, to: str, outcome: str
) -> None:
    assert says(PLAIN, dataplane, source, to) == outcome
    open_text = PLAIN.replace(", inputPolicy: DROP", "")
    assert says(open_text, dataplane, source, to) != ""


@pytest.mark.parametrize(
    ("source", "outcome"), [("client", ""), ("node2", ""), ("node1", "connected")]
)
def test_an_endpoint_on_the_host_network_is_behind_its_nodes_firewall(
    source: str, outcome: str
) -> None:
    assert says(ON_HOST, "iptables", source, "web-1:80") == outcome
