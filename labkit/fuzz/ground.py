"""A lab that becomes one random cluster after the other, and is asked about every flow of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster, Protocol, ServicePort
from labkit.cluster.model import Service as ServiceModel
from labkit.dataplane.base import DataPlane
from labkit.dataplane.iptables.apply import Backend
from labkit.fuzz.hosts import MOST_NODES, Manifest, everybody
from labkit.kernel.conntrack import forget_everything
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.real_kube_proxy import Chosen
from labkit.lab.running import Running
from labkit.lab.targets import flow_to
from labkit.manifest.kinds import Scenario
from labkit.manifest.load import load_objects
from labkit.probe.compare import question
from labkit.probe.expected import in_words
from labkit.probe.flow import Flow, Observation, Via
from labkit.probe.foreseen import PATIENT, Foreseen, Patience
from labkit.probe.plan import flows
from labkit.probe.table import Expected
from labkit.semantics.endpoints import is_proxied
from labkit.semantics.flows import Seen, fits
from labkit.semantics.health import health_status
from labkit.semantics.predict import predict
from labkit.semantics.traits import traits_of

NO_PORT: Final = 9
"""discard: no random Service has it, and nobody listens on it."""
PATIENT_IN_A_GUEST: Final = Patience(foreseen_s=10 * PATIENT.foreseen_s)
MEASURED: Final = "health check port"
"""Stands for ``via`` where health check ports are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """A flow that did not end as the model says."""

    flow: Flow
    expected: Expected
    seen: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongHealth:
    """A health check port that answered otherwise than the model says."""

    flow: Flow
    expected: int
    seen: tuple[int, ...]
    """HTTP statuses; empty if it did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one cluster has shown."""

    asked: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Flows, by the address that they go to and the outcome that was seen."""
    unjudged: int = 0
    """Flows of which the model says nothing."""
    surprises: tuple[Surprise, ...] = ()
    health: tuple[WrongHealth, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether everything was as the model says."""
        return not (self.surprises or self.health)


class Ground:
    """Owns a lab with all hosts that a random cluster can have. A context manager."""

    def __init__(
        self,
        *,
        dataplane: str,
        spec: Mapping[str, Any],
        nodes: int = MOST_NODES,
        iptables: Backend | None = None,
        kube_proxy: Chosen | None = None,
        plane: DataPlane[Any] | None = None,
    ) -> None:
        """Describe a lab; entering it builds it.

        Args:
            dataplane: the Lab's word.
            spec: what the Lab says of its hosts.
            nodes: how many it has.
            iptables: which iptables to use; None for what the kernel has.
            kube_proxy: the program of the data plane ``kube-proxy``, and its mode.
            plane: what installs the rules, if it is not the data plane of that name.

        Raises:
            LabError: the lab cannot be built.
            MissingFeature: this kernel or machine lacks something.
        """
        self._dataplane = dataplane
        self._kube_proxy = kube_proxy
        self._real = kube_proxy.identity if kube_proxy else None
        self._traits = traits_of(dataplane, self._real)
        self._iptables = iptables
        self._plane = plane
        self._cluster = self._built(load_objects(everybody(nodes, spec)))
        self._running: Running | None = None
        self._stack = ExitStack()
        self.patience = PATIENT if kernel_kind() == "host" else PATIENT_IN_A_GUEST

    def __enter__(self) -> Self:
        self._running = self._stack.enter_context(
            Running(
                self._cluster,
                seed=0,
                iptables=self._iptables,
                kube_proxy=self._kube_proxy,
                plane=self._plane,
            )
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._running = None
        self._stack.close()

    def try_cluster(self, manifests: Sequence[Manifest]) -> Trial:
        """Install a cluster's rules, ask every flow, and return what was seen.

        Raises:
            ManifestError: it is none.
            LabError: its rules were refused.
        """
        running = self._live
        cluster = self._built(load_objects(manifests))
        running.serve(cluster)
        for node in cluster.nodes:
            # Else tables fill up: a run makes thousands of flows a second.
            forget_everything(running.namespace(node.name))
        asked, unjudged = self._foreseen(cluster)
        seen = running.observe_foreseen(asked, patience=self.patience)
        counts = Counter((str(each.flow.via), str(each.outcome)) for each in seen)
        health = list(_health(cluster))
        statuses = running.observe([flow for flow, _ in health], attempts=1) if health else []
        counts.update((MEASURED, str(each.outcome)) for each in statuses)
        return Trial(
            asked=counts,
            unjudged=unjudged,
            surprises=tuple(
                Surprise(
                    flow=each.flow,
                    expected=in_words(cluster, each.flow.source, each.prediction),
                    seen=observation,
                )
                for each, observation in zip(asked, seen, strict=True)
                if not fits(each.prediction, seen_of(observation))
            ),
            health=tuple(
                WrongHealth(flow=flow, expected=expected, seen=tuple(status.http_statuses))
                for (flow, expected), status in zip(health, statuses, strict=True)
                if tuple(status.http_statuses) != (expected,)
            ),
        )

    @property
    def _live(self) -> Running:
        if self._running is None:
            raise RuntimeError("the ground is not entered")
        return self._running

    def _built(self, scenario: Scenario) -> Cluster:
        return build_cluster(scenario, dataplane=self._dataplane, real_kube_proxy=self._real)

    def _foreseen(self, cluster: Cluster) -> tuple[list[Foreseen], int]:
        """What to ask, and how many flows the model leaves open."""
        found: list[Foreseen] = []
        unjudged = 0
        # Services share addresses: what is no port of either is one question.
        flows = {(f.source, f.address, f.dport, f.protocol): f for f in all_flows(cluster)}
        for flow in flows.values():
            asked = question(cluster, flow)
            prediction = asked and predict(cluster, asked, self._traits)
            if prediction:
                found.append(Foreseen(flow=flow, prediction=prediction))
            else:
                unjudged += 1
        return found, unjudged


def seen_of(observation: Observation) -> Seen:
    """An observation without counts."""
    return Seen(
        outcomes=frozenset(str(outcome) for outcome in observation.outcomes),
        backends=frozenset(observation.backends),
        sources=frozenset(observation.sources_seen),
    )


def all_flows(cluster: Cluster) -> Iterator[Flow]:
    """The flow table's flows to Services, to ports that they lack, and to nodes' other addresses.

    Pods' own addresses are left out: no rule of a Service is for them.
    """
    for flow in flows(cluster, None):
        if flow.via is not Via.POD_IP:
            yield flow
    askers = _askers(cluster)
    for service in cluster.services:
        for source in askers:
            yield from _to_no_port(service, source)
        for port in service.ports:
            yield from _to_other_addresses(cluster, service, port, askers)


def _askers(cluster: Cluster) -> list[str]:
    """One host of each kind."""
    pods = [pod.name for pod in cluster.pods if not pod.host_network]
    return [cluster.clients[0].name, cluster.nodes[0].name, *pods[:1]]


def _to_no_port(service: ServiceModel, source: str) -> Iterator[Flow]:
    """Calls to a port of the Service's addresses that it does not have."""
    addresses = [(Via.CLUSTER_IP, service.cluster_ip)]
    addresses += [(Via.EXTERNAL_IP, address) for address in service.external_ips]
    addresses += [(Via.LOAD_BALANCER, each.ip) for each in service.ingress]
    for via, address in addresses:
        if address is not None:
            yield Flow(
                source=source, address=address, dport=NO_PORT, service=str(service.key), via=via
            )


def _to_other_addresses(
    cluster: Cluster, service: ServiceModel, port: ServicePort, askers: Sequence[str]
) -> Iterator[Flow]:
    """Calls to a NodePort on the address of a node's bridge."""
    if port.node_port is None or service.cluster_ip is None:
        return
    outsiders = cluster.client_by_name
    for node in cluster.nodes:
        for source in askers:
            if source not in outsiders:
                yield Flow(
                    source=source,
                    address=node.bridge_ip,
                    dport=port.node_port,
                    protocol=port.protocol,
                    service=str(service.key),
                    port=port.name,
                    via=Via.NODE_PORT,
                    node=node.name,
                )


def _health(cluster: Cluster) -> Iterator[tuple[Flow, int]]:
    """Every health check port, asked by its own node, and the status that the model says."""
    for service in cluster.services:
        port = service.health_check_node_port
        if port is None or not is_proxied(service):
            continue
        for node in cluster.nodes:
            flow = flow_to(cluster, node.name, node.address, port, Protocol.TCP)
            yield flow, health_status(cluster, service, node)
