"""The flow table as JSON, schema ``labkit.dev/flow-table/v1``: what was seen of every flow. Pure.

Field names, their order and their values are the schema; a reader of the JSON needs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct, structs

from labkit.cluster.mapped import in_words
from labkit.cluster.model import Cluster, Protocol, RealKubeProxy
from labkit.errors import UsageError
from labkit.probe.flow import Observation, Outcome, Via

SCHEMA: Final = "labkit.dev/flow-table/v1"

KernelKind = Literal["host", "uml", "qemu"]


class Kernel(Struct, frozen=True, kw_only=True):
    """The kernel that the packets went through."""

    kind: KernelKind
    """``host``, or the guest: ``uml``, ``qemu``."""
    release: str
    """As ``uname -r`` prints it."""


class Expected(Struct, frozen=True, kw_only=True):
    """What the specification says of a flow, and the rule of it that says so."""

    outcome: Outcome
    backends: tuple[str, ...]
    client_sources: tuple[str, ...]
    why: str


class SeenFlow(Struct, frozen=True, kw_only=True):
    """A flow and what all its attempts saw."""

    source: str
    """A client's, node's or pod's name."""
    service: str
    """``namespace/name``; empty for a target that is no Service's."""
    port: str
    """The Service port's name; empty if it has none."""
    protocol: Protocol
    via: Via | None
    node: str | None
    """The node whose address this is, for NodePorts."""
    address: str
    dport: int
    attempts: int
    outcome: Outcome
    """The one outcome of every attempt, or ``mixed``."""
    outcomes: dict[Outcome, int]
    """Attempts by outcome."""
    backends: dict[str, int]
    """Attempts by the pod that answered."""
    sources_seen: dict[str, int]
    """Attempts by the client address that the pod saw."""
    client_sources: tuple[str, ...]
    """The same in words: ``preserved``, a node's name, or the address."""


class FlowRow(SeenFlow, frozen=True, kw_only=True):
    """One row of the flow table."""

    expected: Expected | None = None
    """None where nothing says what to expect."""
    agrees: bool | None = None


class HealthStatus(Struct, frozen=True, kw_only=True):
    """What a Service's health check port answered on one node."""

    service: str
    """``namespace/name``."""
    node: str
    port: int
    status: int
    """HTTP status: 200 with a ready endpoint on the node, 503 without."""


class FlowTable(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to every flow of a lab."""

    schema: Literal["labkit.dev/flow-table/v1"]
    scenario: str
    dataplane: str
    kernel: Kernel
    kube_proxy: RealKubeProxy | None = None
    """Which real kube-proxy made the rules; left out where labkit did."""
    rules: str | None = None
    """Where the nodes' rules came from; left out in tables of older versions."""
    mapped: tuple[str, ...] = ()
    """Addresses of a real cluster that the lab had to change, in words; left out without one."""
    nodes: dict[str, str]
    """LAN addresses by node."""
    clients: dict[str, str]
    """Addresses by client."""
    health_check_node_port: dict[str, int] | None = None
    """HTTP status by node, the worst if several Services have such a port; left out if none has."""
    health_checks: tuple[HealthStatus, ...] = ()
    """Every health check port on every node; left out if no Service has one."""
    flows: tuple[FlowRow, ...]


def flow_table(
    cluster: Cluster,
    rows: Iterable[FlowRow],
    *,
    kernel_kind: KernelKind = "host",
    kernel_release: str,
    rules: str | None = None,
    health_checks: Sequence[HealthStatus] = (),
) -> FlowTable:
    """Return the flow table of a lab."""
    return FlowTable(
        schema=SCHEMA,
        scenario=cluster.name,
        dataplane=cluster.dataplane,
        kernel=Kernel(kind=kernel_kind, release=kernel_release),
        kube_proxy=cluster.real_kube_proxy,
        rules=rules,
        mapped=in_words(cluster.mapped),
        nodes={node.name: str(node.address) for node in cluster.nodes},
        clients={client.name: str(client.address) for client in cluster.clients},
        health_check_node_port=_worst_by_node(health_checks),
        health_checks=tuple(health_checks),
        flows=tuple(rows),
    )


def flow_row(observation: Observation) -> FlowRow:
    """Return the flow table's row of one observation."""
    flow = observation.flow
    return FlowRow(
        source=flow.source,
        service=flow.service,
        port=flow.port,
        protocol=flow.protocol,
        via=flow.via,
        node=flow.node,
        address=str(flow.address),
        dport=flow.dport,
        attempts=observation.attempts,
        outcome=observation.outcome,
        outcomes=dict(observation.outcomes),
        backends=dict(observation.backends),
        sources_seen={str(seen): count for seen, count in observation.sources_seen.items()},
        client_sources=observation.client_sources,
    )


class Sharing:
    """Makes rows that say the same in a field hold it once: a large table repeats itself."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._words: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._outcomes: dict[tuple[tuple[Outcome, int], ...], dict[Outcome, int]] = {}
        self._counts: dict[tuple[tuple[str, int], ...], dict[str, int]] = {}
        self._expected: dict[Expected, Expected] = {}

    def row(self, row: FlowRow) -> FlowRow:
        """Return the same row."""
        expected, outcomes = row.expected, tuple(row.outcomes.items())
        return structs.replace(
            row,
            address=self._texts.setdefault(row.address, row.address),
            outcomes=self._outcomes.setdefault(outcomes, row.outcomes),
            backends=self._counted(row.backends),
            sources_seen=self._counted(row.sources_seen),
            client_sources=self._words.setdefault(row.client_sources, row.client_sources),
            expected=self._expected.setdefault(expected, expected) if expected else None,
        )

    def _counted(self, counts: dict[str, int]) -> dict[str, int]:
        return self._counts.setdefault(tuple(counts.items()), counts)


def to_json(table: FlowTable) -> str:
    """Return the table as JSON text, two spaces deep, fields in the schema's order."""
    return msgspec.json.format(msgspec.json.encode(table), indent=2).decode()


def from_json(text: str | bytes) -> FlowTable:
    """Return the table that JSON text holds; fields that this version does not know are ignored.

    Raises:
        UsageError: the text is no flow table.
    """
    try:
        return msgspec.json.decode(text, type=FlowTable)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise UsageError(f"this is no flow table ({SCHEMA}): {error}") from error


def schema() -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of the flow table."""
    found: dict[str, object] = msgspec.json.schema(FlowTable)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **found}


def _worst_by_node(health_checks: Sequence[HealthStatus]) -> dict[str, int] | None:
    """The highest status of each node: 503 is worse than 200."""
    worst: dict[str, int] = {}
    for check in health_checks:
        worst[check.node] = max(check.status, worst.get(check.node, 0))
    return worst or None
