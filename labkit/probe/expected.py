"""What the specification model says of rows of a flow table, beside what was seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from msgspec import structs

from labkit.cluster.model import Cluster, Protocol
from labkit.errors import UsageError
from labkit.probe.compare import flow_of, question, seen_of
from labkit.probe.flow import Flow, Outcome, Via
from labkit.probe.table import Expected, FlowRow, FlowTable
from labkit.probe.words import source_words
from labkit.semantics import because
from labkit.semantics.because import Because, said
from labkit.semantics.endpoints import is_proxied
from labkit.semantics.flows import Prediction, fits, may_be_part_of
from labkit.semantics.health import health_status
from labkit.semantics.predict import predict
from labkit.semantics.traits import traits_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What must become of a flow under one data plane, and every reason for it."""

    dataplane: str
    flow: Flow
    expected: Expected
    held: bool
    """Whether session affinity keeps the source on one of the backends."""
    reasons: tuple[Because, ...]
    http_status: int | None = None
    """What a health check port answers; None for what is none."""


def explain(cluster: Cluster, flow: Flow) -> Explanation:
    """Return what the specification says of a flow, and why.

    Raises:
        UsageError: it says nothing of it.
    """
    flow = flow if flow.service else _of_an_endpoint(cluster, flow)
    asked = question(cluster, flow)
    if asked is None and (health := _of_health_check(cluster, flow)):
        return health
    if asked is None:
        raise UsageError(
            f"{flow.address}:{flow.dport} {flow.protocol} is no address of a Service, so no rule "
            f"decides about it; {_remedy(cluster, flow)}"
        )
    prediction = predict(cluster, asked, traits_of(cluster.dataplane, cluster.real_kube_proxy))
    if prediction is None:
        raise UsageError(
            f"nothing says what becomes of {flow.address}:{flow.dport} {flow.protocol}: a host "
            "of this lab has that address too, an endpoint is no pod of it, or a node's own "
            "firewall (inputPolicy) decides"
        )
    return Explanation(
        dataplane=cluster.dataplane,
        flow=flow,
        expected=in_words(cluster, flow.source, prediction),
        held=prediction.held,
        reasons=prediction.reasons,
    )


def _of_health_check(cluster: Cluster, flow: Flow) -> Explanation | None:
    """What a health check port answers, if that is what is asked."""
    node = cluster.node_by_name.get(flow.node or "")
    if node is None or flow.protocol is not Protocol.TCP:
        return None
    for service in cluster.services:
        if service.health_check_node_port == flow.dport and is_proxied(service):
            status = health_status(cluster, service, node)
            why = because.is_health_check(service.key.shown, node.name, status)
            return Explanation(
                dataplane=cluster.dataplane,
                flow=replace(flow, service=str(service.key), port="healthCheckNodePort"),
                expected=Expected(
                    outcome=Outcome.CONNECTED, backends=(), client_sources=(), why=said([why])
                ),
                held=False,
                reasons=(why,),
                http_status=status,
            )
    return None


def _of_an_endpoint(cluster: Cluster, flow: Flow) -> Flow:
    """The same flow with the Service that it is an endpoint of, if there is one."""
    for service, port in cluster.service_ports():
        for endpoint in cluster.endpoints.get(service.port_name(port), ()):
            if (endpoint.address, endpoint.port, port.protocol) == (
                flow.address,
                flow.dport,
                flow.protocol,
            ):
                return replace(flow, service=str(service.key), port=port.name, via=Via.POD_IP)
    return flow


def _remedy(cluster: Cluster, flow: Flow) -> str:
    """What to ask instead."""
    for _service, port in cluster.service_ports():
        if flow.dport in {port.port, port.node_port} and port.protocol is not flow.protocol:
            return f"port {flow.dport} is {port.protocol}: give --protocol {port.protocol}"
    return "give a Service, a node and a NodePort, or a pod that is an endpoint"


def judged(cluster: Cluster, table: FlowTable, *, enough: bool = True) -> FlowTable:
    """Return the table with what the model expects of every row, and whether the row agrees.

    Args:
        cluster: the lab.
        table: what was seen.
        enough: whether as many attempts were made as it takes to see everything that can happen.
            Otherwise a row agrees if nothing happened that the model excludes.
    """
    flows = tuple(judged_row(cluster, row, enough=enough) for row in table.flows)
    return structs.replace(table, flows=flows)


def judged_row(cluster: Cluster, row: FlowRow, *, enough: bool = True) -> FlowRow:
    """Return one row with what the model expects of it; as it is where the model has no say."""
    flow = flow_of(cluster, row)
    prediction = (
        None
        if flow is None
        else predict(cluster, flow, traits_of(cluster.dataplane, cluster.real_kube_proxy))
    )
    if prediction is None:
        return row
    seen = seen_of(row)
    agrees = fits(prediction, seen) if enough else may_be_part_of(prediction, seen)
    return structs.replace(row, expected=in_words(cluster, row.source, prediction), agrees=agrees)


def in_words(cluster: Cluster, source: str, prediction: Prediction) -> Expected:
    """Return a prediction in the flow table's words.

    Under session affinity every endpoint is named that the source can be held to.
    """
    outcomes = sorted({each.outcome for each in prediction.deliveries})
    backends = sorted({each.backend for each in prediction.deliveries if each.backend})
    sources = {each.source for each in prediction.deliveries if each.source is not None}
    words = sorted({source_words(cluster, source, seen) for seen in sources})
    return Expected(
        outcome=Outcome.MIXED if len(outcomes) > 1 else Outcome(outcomes[0]),
        backends=tuple(backends),
        client_sources=tuple(words),
        why=said(prediction.reasons),
    )
