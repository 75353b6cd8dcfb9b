"""The hosts that all random clusters of a run share, as manifests. Pure.

A cluster is the first few nodes and the first few pods of each, so that every one of them has the
same address in each cluster, and in a scenario file that holds this cluster alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Manifest = Mapping[str, Any]

MOST_NODES: Final = 5
PODS_A_NODE: Final = 3
LISTENS: Final = 80
ALSO_LISTENS: Final = 8080
UDP_LISTENS: Final = 53
HOST_LISTENS: Final = 8088
HOST_UDP_LISTENS: Final = 8053
ELSEWHERE: Final = "203.0.113.0/24"
"""Where external addresses of Services are."""
ROUTER: Final = "node1"
"""Every cluster has it: packets to Services' addresses come in here from outside."""
CLIENTS: Final[Sequence[Manifest]] = tuple(
    {
        "name": name,
        "address": address,
        "routes": [{"to": to, "via": ROUTER} for to in (ELSEWHERE, "10.96.0.0/12")],
    }
    for name, address in (("client", "192.168.0.100"), ("beyond", "198.51.100.7"))
)
"""One on the LAN, and one behind its router."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodState:
    """What a cluster says of a pod that is there anyway."""

    labels: Mapping[str, str] = field(default_factory=dict)
    ready: bool = True
    terminating: bool = False


def node(number: int) -> str:
    """The name of a node, from 1."""
    return f"node{number}"


def pod(number: int, place: int) -> str:
    """The name of a pod of a node, from 1; 0 is the one on the host network."""
    return f"pod-{number}-{place}" if place else f"host-{number}"


def pod_manifest(number: int, place: int, state: PodState) -> Manifest:
    """One pod. Ports are named otherwise in every second one: a name is not one number."""
    numbers = (LISTENS, ALSO_LISTENS) if place % 2 else (ALSO_LISTENS, LISTENS)
    tcp = zip(("http", "other"), numbers, strict=True) if place else [("http", HOST_LISTENS)]
    ports = [{"name": name, "containerPort": port} for name, port in tcp]
    udp = UDP_LISTENS if place else HOST_UDP_LISTENS
    ports.append({"name": "dns", "containerPort": udp, "protocol": "UDP"})
    metadata: dict[str, Any] = {"name": pod(number, place)}
    if state.labels:
        metadata["labels"] = dict(state.labels)
    if not state.ready:
        metadata["annotations"] = {"labkit.dev/ready": "false"}
    if state.terminating:
        metadata["deletionTimestamp"] = "2000-01-01T00:00:00Z"
    spec: dict[str, Any] = {
        "nodeName": node(number),
        "containers": [{"name": "web", "image": "agnhost", "ports": ports}],
    }
    if not place:
        spec["hostNetwork"] = True
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def lab_manifest(name: str, zones: Sequence[str], spec: Mapping[str, Any]) -> Manifest:
    """The Lab of a cluster with as many nodes as there are zones; an empty one is none."""
    nodes = [
        {"name": node(number), **({"zone": zone} if zone else {})}
        for number, zone in enumerate(zones, 1)
    ]
    return {
        "apiVersion": "labkit.dev/v1",
        "kind": "Lab",
        "metadata": {"name": name},
        "spec": {"nodes": nodes, "clients": [dict(each) for each in CLIENTS], **spec},
    }


def everybody(nodes: int, spec: Mapping[str, Any]) -> Iterator[Manifest]:
    """The manifests of all hosts that a run has, without a Service."""
    yield lab_manifest("fuzz", [""] * nodes, spec)
    for number in range(1, nodes + 1):
        for place in range(PODS_A_NODE + 1):
            yield pod_manifest(number, place, PodState())
