"""Traces the packets of a flow through a running lab."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.lookup import LOCALHOST, own_node
from labkit.cluster.model import Cluster
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.node_addresses import own_addresses
from labkit.errors import UsageError
from labkit.lab.running import Running
from labkit.lab.targets import addresses
from labkit.probe.expected import explain
from labkit.probe.flow import Answer, Flow
from labkit.probe.words import specified_words
from labkit.trace.capture import NUMBERS
from labkit.trace.follow import legs
from labkit.trace.path import Address, HostKind, Leg, Path
from labkit.trace.recording import Captured, Host, Recording
from labkit.trace.story import verdict
from labkit.trace.trail import Ask
from labkit.trace.watch import Watch

MANY_HOSTS: Final = 60
"""Up to so many hosts all are watched; beyond, those on a flow's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """The paths of a flow's attempts, and the packets that they were told from."""

    flow: Flow
    paths: tuple[Path, ...]
    """Different ways, the most frequent first."""
    captured: tuple[Captured, ...]
    """Packets of every watched host, each host's in its order; others' packets too."""


def trace(
    running: Running, flows: Sequence[Flow], *, attempts: int = 1, packets: int | None = None
) -> list[Traced]:
    """Probe flows one attempt after the other, and follow the packets of each attempt.

    Args:
        running: the lab.
        flows: what to ask.
        attempts: how many times each.
        packets: how many packets of each attempt to follow; None for those that tell the story.
    """
    return running.loop.run(_trace(running, flows, attempts, packets))


async def _trace(
    running: Running, flows: Sequence[Flow], attempts: int, packets: int | None
) -> list[Traced]:
    cluster = running.cluster
    hosts = [(host, running.namespace(host.name)) for host in watched(cluster, flows)]
    ipvs = cluster.node_by_name if _uses_ipvs(cluster) else ()
    with Watch(hosts, asyncio.get_running_loop(), ipvs=ipvs) as watch:
        return [await _one(running, watch, flow, attempts, packets) for flow in flows]


async def _one(
    running: Running, watch: Watch, flow: Flow, attempts: int, packets: int | None
) -> Traced:
    paths: list[Path] = []
    captured: list[Captured] = []
    for _ in range(attempts):
        watch.forget()
        answer = await running.attempting(flow)
        recording = watch.taken()
        captured += recording.captured
        paths.append(path_of(running.cluster, recording, flow, answer, packets=packets))
    notes = tuple(watch.notes)
    return Traced(
        flow=flow,
        paths=tuple(replace(path, notes=notes) for path in _grouped(paths)),
        captured=tuple(captured),
    )


def watched(cluster: Cluster, flows: Sequence[Flow]) -> list[Host]:
    """Return the hosts to watch: all, or in a large lab those that the flows' packets may meet."""
    hosts = list(_hosts(cluster))
    if len(hosts) <= MANY_HOSTS:
        return hosts
    near = {own_node(cluster, flow.source) or flow.source for flow in flows}
    near |= {pod for flow in flows for pod in _backends(cluster, flow)}
    asked = {flow.address for flow in flows}
    return [
        host
        for host in hosts
        if host.kind is HostKind.NODE or host.name in near or asked & host.addresses
    ]


def path_of(
    cluster: Cluster,
    recording: Recording,
    flow: Flow,
    answer: Answer,
    *,
    packets: int | None,
) -> Path:
    """Return the path of one attempt: what was recorded while it was made, and what it saw."""
    ask = Ask(
        host=own_node(cluster, flow.source) or flow.source,
        protocol=NUMBERS[flow.protocol],
        destination=Address(flow.address, flow.dport),
        source_port=answer.source_port,
    )
    every = legs(recording, ask)
    shown = _telling(every) if packets is None else every[:packets]
    return Path(
        flow=flow,
        dataplane=cluster.dataplane,
        legs=shown,
        outcome=answer.outcome,
        pod=answer.pod,
        source_seen=answer.source_seen,
        verdict=verdict(flow, every, answer, _owners(cluster)),
        specified=_specified(cluster, flow),
        more_packets=len(every) - len(shown),
    )


def _specified(cluster: Cluster, flow: Flow) -> str:
    try:
        return specified_words(explain(cluster, flow).expected)
    except UsageError:  # the model knows Services alone
        return ""


def _telling(every: Sequence[Leg]) -> tuple[Leg, ...]:
    """The request and its answer; and what a source says to a stranger."""
    request = every[:1]
    reply = next((leg for leg in every if leg.is_reply), None)
    if reply is None:
        return tuple(request)
    later = every[every.index(reply) + 1 :]
    refusal = next((leg for leg in later if reply.is_stranger and not leg.is_reply), None)
    return (*request, reply, *([refusal] if refusal else ()))


def _grouped(paths: Sequence[Path]) -> list[Path]:
    """Paths of the same shape as one, with how many they are."""
    groups: dict[object, list[Path]] = {}
    for path in paths:
        groups.setdefault(_shape(path), []).append(path)
    counted = [replace(found[0], attempts=len(found)) for found in groups.values()]
    return sorted(counted, key=lambda path: -path.attempts)


def _shape(path: Path) -> object:
    ways = tuple(
        tuple((hop.host, hop.interface, hop.direction, len(hop.changes)) for hop in leg.hops)
        for leg in path.legs
    )
    ends = tuple((leg.end.fate, leg.end.host, leg.end.by) for leg in path.legs)
    return path.outcome, path.pod, path.source_seen, ways, ends


def _hosts(cluster: Cluster) -> Iterator[Host]:
    for client in cluster.clients:
        yield Host(
            name=client.name,
            kind=HostKind.CLIENT,
            addresses=frozenset({client.address, LOCALHOST}),
        )
    # kube-ipvs0 has the addresses of all Services (pkg/proxy/ipvs/proxier.go, defaultDummyDevice).
    of_services = _service_addresses(cluster) if _uses_ipvs(cluster) else frozenset()
    for node in cluster.nodes:
        own = of_services.union(own_addresses(cluster, node))
        yield Host(name=node.name, kind=HostKind.NODE, addresses=own)
    for pod in cluster.pods:
        if not pod.host_network:
            yield Host(
                name=pod.name,
                kind=HostKind.POD,
                addresses=frozenset({pod.address, LOCALHOST}),
            )


def _backends(cluster: Cluster, flow: Flow) -> set[str]:
    namespace, _slash, name = flow.service.partition("/")
    service = cluster.service_by_key.get(ObjectName(namespace, name))
    if service is None:
        return set()
    known = [cluster.endpoints.get(service.port_name(port), ()) for port in service.ports]
    return {each.pod for endpoints in known for each in endpoints if each.pod}


def _service_addresses(cluster: Cluster) -> frozenset[IPv4Address]:
    return frozenset(ip for service in cluster.services for ip, _via in addresses(service))


def _owners(cluster: Cluster) -> Mapping[IPv4Address, str]:
    owners = {pod.address: pod.name for pod in cluster.pods}
    owners |= {client.address: client.name for client in cluster.clients}
    for node in cluster.nodes:
        for address in own_addresses(cluster, node):
            if not address.is_loopback:
                owners[address] = node.name
    return owners


def _uses_ipvs(cluster: Cluster) -> bool:
    real = cluster.real_kube_proxy
    return "ipvs" in {cluster.dataplane, real.mode if real else ""}
