"""The recordings of the real kube-proxy as flow tables of a lab."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import msgspec

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster, Protocol
from labkit.manifest.load import load
from labkit.probe.flow import Outcome, Via
from labkit.probe.table import SCHEMA, FlowRow, FlowTable, Kernel
from labkit.probe.words import source_words
from tests.recorded import TRUTH

ATTEMPTS = 12


class RecordedFlow(msgspec.Struct, frozen=True):
    """One flow as it was recorded: sets, no counts."""

    source: str
    via: Via
    node: str | None
    address: str
    dport: int
    protocol: Protocol
    outcome: Outcome
    backends: list[str]
    sources_seen: list[str]


class Recorded(msgspec.Struct, frozen=True):
    """One recorded scenario."""

    scenario: str
    dataplane: str
    observed_with: str
    flows: list[RecordedFlow]


def recorded_cluster(path: Path) -> Cluster:
    return build_cluster(load(path))


def recorded(dataplane: str, path: Path, cluster: Cluster) -> FlowTable:
    """What the real kube-proxy did in the scenario at ``path``."""
    file = TRUTH / "kube-proxy" / dataplane / f"{path.stem}.json"
    found = msgspec.json.decode(file.read_bytes(), type=Recorded)
    return FlowTable(
        schema=SCHEMA,
        scenario=found.scenario,
        dataplane=found.dataplane,
        kernel=Kernel(kind="uml" if dataplane == "ipvs" else "host", release="6.1.0"),
        rules="kube-proxy v1.36.2",
        nodes={node.name: str(node.address) for node in cluster.nodes},
        clients={client.name: str(client.address) for client in cluster.clients},
        flows=tuple(_row(flow, cluster) for flow in found.flows),
    )


def _row(flow: RecordedFlow, cluster: Cluster) -> FlowRow:
    # Every recorded scenario has one Service with one port.
    (service,) = cluster.services
    (port,) = service.ports
    words = {
        source_words(cluster, flow.source, IPv4Address(address)) for address in flow.sources_seen
    }
    return FlowRow(
        source=flow.source,
        service=str(service.key),
        port=port.name,
        protocol=flow.protocol,
        via=flow.via,
        node=flow.node,
        address=flow.address,
        dport=flow.dport,
        attempts=ATTEMPTS,
        outcome=flow.outcome,
        outcomes={flow.outcome: ATTEMPTS},
        backends=dict.fromkeys(flow.backends, ATTEMPTS),
        sources_seen=dict.fromkeys(flow.sources_seen, ATTEMPTS),
        client_sources=tuple(sorted(words)),
    )
