"""Two flow tables of one cluster: which flows differ, and by what name. Pure.

Attempts and shares do not count: a data plane that takes turns and one that throws dice serve the
same pods. Under session affinity any pod will do, as long as it is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from typing import Final

from labkit.cluster.mapped import in_words
from labkit.cluster.model import Cluster, Service, ServicePort
from labkit.cluster.object_names import ObjectName
from labkit.errors import UsageError
from labkit.probe.flow import Flow as Asked
from labkit.probe.flow import Via
from labkit.probe.table import FlowRow, FlowTable, HealthStatus, Kernel
from labkit.semantics import flows as semantics
from labkit.semantics.causes import Reason, Side, reason
from labkit.semantics.deviations import Deviation, unseen
from labkit.semantics.flows import Flow, Seen
from labkit.semantics.predict import predict
from labkit.semantics.traits import Trait, traits_of

Traits = frozenset[Trait]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What one side of a comparison is."""

    dataplane: str
    kernel: Kernel
    rules: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A flow that is not the same under both data planes."""

    before: FlowRow
    after: FlowRow
    reason: Reason

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Its names; none if nobody foresaw it."""
        return self.reason.deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthDifference:
    """A health check port that answers otherwise. There is no name for that."""

    before: HealthStatus
    after: HealthStatus


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two flow tables of one scenario, side by side."""

    scenario: str
    before: Origin
    after: Origin
    services: int
    compared: int
    """Flows that are in both tables."""
    differences: tuple[Difference, ...] = ()
    health: tuple[HealthDifference, ...] = ()
    only_before: tuple[FlowRow, ...] = ()
    """Flows that the other table does not have."""
    only_after: tuple[FlowRow, ...] = ()
    unseen: tuple[Deviation, ...] = ()
    """What else differs for these Services, though no flow shows it."""
    mapped: tuple[str, ...] = ()
    """Addresses of a real cluster that the lab had to change, in words."""
    homes: Mapping[str, str] = field(default_factory=dict)
    """Nodes by pod."""
    traits: Traits = frozenset()
    """Those of ``before``: they tell which of the two a deviation is about."""

    @property
    def unnamed(self) -> tuple[Difference, ...]:
        """Differences without a name."""
        return tuple(each for each in self.differences if not each.deviations)

    @property
    def passed(self) -> bool:
        """Whether every difference has a name."""
        return not self.unnamed and not self.health

    @property
    def causes(self) -> tuple[Deviation, ...]:
        """Every deviation that explains some difference, each once."""
        return tuple(dict.fromkeys(d for each in self.differences for d in each.deviations))


_Key = tuple[str, str, str, str, str | None, str | None, str, int]
_VIAS: Final[Mapping[Via, semantics.Via]] = {
    Via.CLUSTER_IP: "ClusterIP",
    Via.NODE_PORT: "NodePort",
    Via.EXTERNAL_IP: "ExternalIP",
    Via.LOAD_BALANCER: "LoadBalancer",
    Via.POD_IP: "PodIP",
}


def compare(cluster: Cluster, before: FlowTable, after: FlowTable) -> Comparison:
    """Return how two tables differ.

    Raises:
        UsageError: a data plane is unknown, or the tables have no flow in common.
    """
    first, last = _by_key(before), _by_key(after)
    common = [key for key in first if key in last]
    if not common and (first or last):
        raise UsageError(
            f"the flow tables of {before.scenario} and {after.scenario} have no flow "
            "in common; compare tables of one scenario"
        )
    traits = _traits(before), _traits(after)
    pairs = ((first[key], last[key]) for key in common)
    return Comparison(
        scenario=after.scenario,
        before=_origin(before),
        after=_origin(after),
        services=len({row.service for row in first.values() if row.service}),
        compared=len(common),
        differences=tuple(
            Difference(before=one, after=other, reason=_reason(cluster, one, other, traits))
            for one, other in pairs
            if _differ(cluster, one, other, traits)
        ),
        health=tuple(_health(before, after)),
        only_before=tuple(row for key, row in first.items() if key not in last),
        only_after=tuple(row for key, row in last.items() if key not in first),
        unseen=unseen(cluster, traits[0] ^ traits[1]),
        mapped=in_words(cluster.mapped),
        homes={pod.name: pod.node for pod in cluster.pods},
        traits=traits[0],
    )


def _differ(
    cluster: Cluster, before: FlowRow, after: FlowRow, traits: tuple[Traits, Traits]
) -> bool:
    """Whether more differs than chance explains."""
    one, other = seen_of(before), seen_of(after)
    service = _service(cluster, before.service)
    held = service is not None and service.affinity_timeout_s is not None
    if held and before.via != Via.POD_IP and one.backends != other.backends:
        several = len(one.backends) != len(other.backends) and not _moves(cluster, before, traits)
        return one.outcomes != other.outcomes or several
    return one != other


def _moves(cluster: Cluster, row: FlowRow, traits: tuple[Traits, Traits]) -> bool:
    """Whether either data plane can move a source that session affinity holds."""
    flow = flow_of(cluster, row)
    if flow is None:
        return False
    predictions = [predict(cluster, flow, each) for each in traits]
    return all(each is not None and each.moves for each in predictions)


def _reason(
    cluster: Cluster, before: FlowRow, after: FlowRow, traits: tuple[Traits, Traits]
) -> Reason:
    """Why a flow differs between data planes with these traits."""
    flow = flow_of(cluster, before)
    if flow is None:
        return Reason()
    first, last = traits
    return reason(
        cluster,
        flow,
        Side(traits=first, seen=seen_of(before)),
        Side(traits=last, seen=seen_of(after)),
    )


def flow_of(cluster: Cluster, row: FlowRow) -> Flow | None:
    """Return the question that a row answers; None if it is no Service's.

    Raises:
        UsageError: the row's address is none.
    """
    return question(
        cluster,
        Asked(
            source=row.source,
            address=_address(row.address),
            dport=row.dport,
            protocol=row.protocol,
            service=row.service,
            port=row.port,
            via=row.via,
            node=row.node,
        ),
    )


def question(cluster: Cluster, asked: Asked) -> Flow | None:
    """Return a flow as the specification model takes it; None if it is no Service's."""
    service = _service(cluster, asked.service)
    via = None if asked.via is None else _VIAS.get(asked.via)
    if service is None or via is None:
        return None
    return Flow(
        source=asked.source,
        service=service,
        port=_port(service, asked),
        via=via,
        node=cluster.node_by_name.get(asked.node or ""),
        address=asked.address,
        protocol=asked.protocol,
    )


def seen_of(row: FlowRow) -> Seen:
    """Return what a row saw, without counts.

    Raises:
        UsageError: an address that a pod saw is none.
    """
    return Seen(
        outcomes=frozenset(row.outcomes or (row.outcome,)),
        backends=frozenset(row.backends),
        sources=frozenset(map(_address, row.sources_seen)),
    )


def _service(cluster: Cluster, key: str) -> Service | None:
    namespace, _slash, name = key.partition("/")
    return cluster.service_by_key.get(ObjectName(namespace, name))


def _port(service: Service, asked: Asked) -> ServicePort | None:
    """The Service's port by the number that was asked for."""
    if asked.via is Via.POD_IP:
        return next((port for port in service.ports if port.name == asked.port), None)
    for port in service.ports:
        number = port.node_port if asked.via is Via.NODE_PORT else port.port
        if (port.protocol, number) == (asked.protocol, asked.dport):
            return port
    return None


def _by_key(table: FlowTable) -> Mapping[_Key, FlowRow]:
    return {
        (
            row.source,
            row.service,
            row.port,
            row.protocol,
            row.via,
            row.node,
            row.address,
            row.dport,
        ): row
        for row in table.flows
    }


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except AddressValueError as error:
        raise UsageError(f"{text!r} in a flow table is no IPv4 address") from error


def _traits(table: FlowTable) -> Traits:
    return traits_of(table.dataplane, table.kube_proxy)


def _origin(table: FlowTable) -> Origin:
    rules = table.rules or "not said"
    return Origin(dataplane=table.dataplane, kernel=table.kernel, rules=rules)


def _health(before: FlowTable, after: FlowTable) -> Iterator[HealthDifference]:
    others = {(each.service, each.node, each.port): each for each in after.health_checks}
    for each in before.health_checks:
        other = others.get((each.service, each.node, each.port))
        if other is not None and other.status != each.status:
            yield HealthDifference(before=each, after=other)
