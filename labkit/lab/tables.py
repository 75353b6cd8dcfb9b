"""The flow table of a running lab, its health check ports included."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from labkit.cluster.model import Cluster, Protocol
from labkit.cluster.topology import health_checks
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.running import Running
from labkit.lab.targets import flow_to
from labkit.probe.flow import Flow, Observation
from labkit.probe.table import FlowTable, HealthStatus, flow_table


def table_of(running: Running, observations: Sequence[Observation]) -> FlowTable:
    """Return the flow table; asks every health check port once, from its own node."""
    return flow_table(
        running.cluster,
        observations,
        kernel_kind=kernel_kind(),
        kernel_release=platform.release(),
        rules=running.rules_source,
        health_checks=_health(running),
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
