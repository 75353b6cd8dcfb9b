"""The topology of a cluster as every picture shows it: what is where, and what leads to what. Pure.

Where a node has more pods than a picture can show, those that are alike stand in one spot: the
same state, the same Services. Services are numbered in the cluster's order, and a pod carries the
numbers of those that it is an endpoint of: with twenty nodes, nobody could follow lines.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Final, NamedTuple

from labkit.cluster.model import Client, Cluster, Endpoint, Node, Pod, Service

SPOTS: Final = ((6, 8), (20, 6))
"""Up to so many nodes, so many spots each: a node with more pods has them in groups."""
SPOTS_OF_MANY: Final = 3
"""The same where there are more nodes."""


class State(StrEnum):
    """What a pod, or an endpoint of a Service, is good for."""

    READY = "ready"
    PARTLY = "ready on some ports"
    SERVING = "terminating, serving"
    NOT_READY = "not ready"
    TERMINATING = "terminating"
    MIXED = "states differ"
    """Of a spot with pods in several states."""


class Membership(NamedTuple):
    """That a pod is an endpoint of the Service with this number, and its state there."""

    service: int
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One pod, or several of the same node that are alike."""

    pods: tuple[Pod, ...]
    state: State
    services: tuple[Membership, ...]

    @property
    def host_network(self) -> bool:
        """Whether these are in the node's own network."""
        return self.pods[0].host_network


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpots:
    """A node and its pods: those on the host network first, which have no veth pair."""

    node: Node
    spots: tuple[Spot, ...]

    @property
    def pods(self) -> int:
        """How many pods the node has."""
        return sum(len(spot.pods) for spot in self.spots)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEndpoint:
    """What a Service leads to: a pod, or an address that is no pod of this lab."""

    name: str
    """The pod's name, or the address."""
    state: State
    pod: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedService:
    """A Service, its number in the picture, and where it leads."""

    number: int
    service: Service
    endpoints: tuple[ServiceEndpoint, ...]

    @property
    def name(self) -> str:
        """The name as reports print it."""
        return self.service.key.shown


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Everything that a picture shows."""

    cluster: Cluster
    nodes: tuple[NodeSpots, ...]
    services: tuple[NumberedService, ...]
    pods: tuple[Spot, ...]
    """Every pod by itself, in the cluster's order."""

    @cached_property
    def lan_clients(self) -> tuple[Client, ...]:
        """Clients on the LAN."""
        lan = self.cluster.network.lan
        return tuple(each for each in self.cluster.clients if each.address in lan)

    @cached_property
    def outside_clients(self) -> tuple[Client, ...]:
        """Clients behind the router."""
        lan = self.cluster.network.lan
        return tuple(each for each in self.cluster.clients if each.address not in lan)


def topology_of(cluster: Cluster) -> Topology:
    """Return what a picture of ``cluster`` shows."""
    services = tuple(
        NumberedService(number=number, service=service, endpoints=_endpoints(cluster, service))
        for number, service in enumerate(cluster.services, start=1)
    )
    members: defaultdict[str, list[Membership]] = defaultdict(list)
    for each in services:
        for endpoint in each.endpoints:
            if endpoint.pod:
                members[endpoint.name].append(Membership(each.number, endpoint.state))
    count = len(cluster.nodes)
    limit = next((spots for most, spots in SPOTS if count <= most), SPOTS_OF_MANY)
    pods = tuple(_spot_of(pod, members) for pod in cluster.pods)
    on_node: defaultdict[str, list[Spot]] = defaultdict(list)
    for spot in pods:
        on_node[spot.pods[0].node].append(spot)
    nodes = tuple(
        NodeSpots(node=node, spots=_grouped(on_node[node.name], limit)) for node in cluster.nodes
    )
    return Topology(cluster=cluster, nodes=nodes, services=services, pods=pods)


def _spot_of(pod: Pod, members: Mapping[str, Sequence[Membership]]) -> Spot:
    services = tuple(members.get(pod.name, ()))
    return Spot(pods=(pod,), state=_state_of_pod(pod), services=services)


def _grouped(alone: Sequence[Spot], limit: int) -> tuple[Spot, ...]:
    """The pods of a node, or groups of those that are alike; what is left over is the last."""
    found: Sequence[Spot] = alone
    if len(alone) > limit:
        groups: defaultdict[object, list[Spot]] = defaultdict(list)
        for spot in alone:
            groups[spot.host_network, spot.state, spot.services].append(spot)
        found = [_together(group) for group in groups.values()]
    if len(found) > limit:
        # Endpoints say more than pods that no Service leads to.
        ranked = sorted(found, key=lambda spot: not spot.services)
        kept, rest = ranked[: limit - 1], ranked[limit - 1 :]
        found = [*kept, _together(rest)]
    return tuple(sorted(found, key=lambda spot: not spot.host_network))


def _together(spots: Sequence[Spot]) -> Spot:
    """One spot for several; it has a veth pair if one of its pods has, so that one is the first."""
    pods = [pod for spot in spots for pod in spot.pods]
    states = {spot.state for spot in spots}
    services: dict[int, set[State]] = {}
    for number, state in (member for spot in spots for member in spot.services):
        services.setdefault(number, set()).add(state)
    return Spot(
        pods=tuple(sorted(pods, key=lambda pod: pod.host_network)),
        state=states.pop() if len(states) == 1 else State.MIXED,
        services=tuple(
            Membership(number, found.pop() if len(found) == 1 else State.MIXED)
            for number, found in sorted(services.items())
        ),
    )


def _endpoints(cluster: Cluster, service: Service) -> tuple[ServiceEndpoint, ...]:
    """Every pod or address behind some port of ``service``, in the cluster's order."""
    states: dict[tuple[bool, str], set[State]] = {}
    for port in service.ports:
        for endpoint in cluster.endpoints.get(service.port_name(port), ()):
            is_pod = endpoint.pod in cluster.pod_by_name
            name = endpoint.pod if is_pod and endpoint.pod else str(endpoint.address)
            states.setdefault((is_pod, name), set()).add(_state_of_endpoint(endpoint))
    order = {name: place for place, name in enumerate(cluster.pod_by_name)}
    ranked = sorted(states, key=lambda key: order.get(key[1], len(order)))
    return tuple(
        ServiceEndpoint(name=name, state=_joined(states[is_pod, name]), pod=is_pod)
        for is_pod, name in ranked
    )


def _joined(states: Iterable[State]) -> State:
    found = set(states)
    if len(found) == 1:
        return found.pop()
    return State.PARTLY if State.READY in found else State.MIXED


def _state_of_pod(pod: Pod) -> State:
    if pod.terminating:
        return State.SERVING if pod.ready else State.TERMINATING
    return State.READY if pod.ready else State.NOT_READY


def _state_of_endpoint(endpoint: Endpoint) -> State:
    # What publishNotReadyAddresses makes is ready, whatever else it is.
    if endpoint.ready:
        return State.READY
    if endpoint.terminating:
        return State.SERVING if endpoint.serving else State.TERMINATING
    return State.NOT_READY
