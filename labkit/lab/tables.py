"""The flow table of a running lab, its health check ports included."""

from __future__ import annotations

import platform
from collections.abc import Iterable

from labkit.cluster.model import Cluster, Protocol
from labkit.cluster.topology import health_checks
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.running import Running
from labkit.lab.targets import flow_to
from labkit.probe.flow import Flow
from labkit.probe.table import FlowRow, FlowTable, HealthStatus, flow_table


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while a flow table was made."""

    def __init__(self, table: FlowTable, planned: int) -> None:
        super().__init__()
        self.table = table
        """The flows that were done by then; no health check port was asked."""
        self.planned = planned
        """How many flows it was to have."""


def table_of(running: Running, rows: Iterable[FlowRow], *, whole: bool = True) -> FlowTable:
    """Return the flow table of rows.

    If they are all that there is, every health check port is asked once, from its own node.
    """
    return flow_table(
        running.cluster,
        rows,
        kernel_kind=kernel_kind(),
        kernel_release=platform.release(),
        rules=running.rules_source,
        health_checks=_health(running) if whole else (),
    )


def _health(running: Running) -> list[HealthStatus]:
    cluster = running.cluster
    asked = [
        (str(check.service), node.name, check.port, _flow(cluster, node.name, check.port))
        for node in cluster.nodes
        for check in health_checks(cluster, node)
    ]
    seen = running.observe([flow for *_, flow in asked], attempts=1) if asked else []
    return [
        HealthStatus(service=service, node=node, port=port, status=max(found.http_statuses))
        for (service, node, port, _flow), found in zip(asked, seen, strict=True)
        if found.http_statuses
    ]


def _flow(cluster: Cluster, node: str, port: int) -> Flow:
    return flow_to(cluster, node, cluster.node_by_name[node].address, port, Protocol.TCP)
