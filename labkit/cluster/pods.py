"""Pods of a scenario: from Pods and workloads to placed pods with addresses and interfaces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from itertools import cycle
from typing import Final

from labkit.cluster.addresses import take, usable
from labkit.cluster.model import Container, ContainerPort, Node, Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.errors import UsageError
from labkit.manifest import kinds

READY_ANNOTATION: Final = "labkit.dev/ready"
INTERFACE_NAME_BYTES: Final = 15
"""Longest name of a network interface: IFNAMSIZ is 16 with the final NUL (netdevice(7))."""
VETH_PREFIX: Final = "veth-"
FIRST_POD: Final = 2
"""Pods' addresses start here in the node's pod CIDR; the first is ``cni0``'s."""


def build_pods(
    scenario: kinds.Scenario, nodes: Sequence[Node], previous: Mapping[ObjectName, Pod]
) -> tuple[Pod, ...]:
    """Every pod, placed and addressed.

    A pod that ``previous`` has keeps its node and its address, so that adding one pod to a running
    lab moves nobody.
    """
    wanted = [*_placed(scenario, nodes, previous)]
    addresses = _addresses(wanted, nodes, previous)
    interfaces = _interfaces(wanted)
    return tuple(
        _pod(manifest, key, node, addresses[key], interfaces[key]) for key, node, manifest in wanted
    )


Placed = tuple[ObjectName, Node, kinds.Pod]


def _placed(
    scenario: kinds.Scenario, nodes: Sequence[Node], previous: Mapping[ObjectName, Pod]
) -> Iterator[Placed]:
    """Each pod with its node: nodeName if given, else round robin in the order of the file."""
    by_name = {node.name: node for node in nodes}
    lone = cycle(nodes)
    for pod in scenario.pods:
        yield _place(pod, by_name, lone, previous)
    for workload in scenario.workloads:
        turn = cycle(nodes)
        for pod in replicas(workload):
            yield _place(pod, by_name, turn, previous)


def _place(
    pod: kinds.Pod,
    nodes: Mapping[str, Node],
    turn: Iterator[Node],
    previous: Mapping[ObjectName, Pod],
) -> Placed:
    key = ObjectName(pod.metadata.namespace, pod.metadata.name)
    name = pod.spec.node_name
    if name is None and key in previous:
        name = previous[key].node
    if name is None:
        return key, next(turn), pod
    if name not in nodes:
        raise UsageError(f"pod {key.shown}: nodeName {name} is no node of this lab")
    return key, nodes[name], pod


def replicas(workload: kinds.Workload) -> Iterator[kinds.Pod]:
    """The pods of a Deployment or ReplicaSet, named ``NAME-1``, ``NAME-2`` and so on."""
    meta, template = workload.metadata, workload.spec.template
    for number in range(1, workload.spec.replicas + 1):
        yield kinds.Pod(
            metadata=kinds.ObjectMeta(
                name=workload.replica_name(number),
                namespace=meta.namespace,
                labels=template.metadata.labels,
                annotations=template.metadata.annotations,
            ),
            spec=template.spec,
        )


def _addresses(
    wanted: Sequence[Placed], nodes: Sequence[Node], previous: Mapping[ObjectName, Pod]
) -> Mapping[ObjectName, IPv4Address]:
    """One address a pod: what it had, what its status says, else the next of its node."""
    fixed: dict[ObjectName, IPv4Address] = {}
    for key, node, pod in wanted:
        before = previous.get(key)
        if pod.spec.host_network:
            fixed[key] = node.address
        elif before and before.node == node.name and not before.host_network:
            fixed[key] = before.address
        elif (address := _dumped_address(pod, node)) is not None:
            fixed[key] = address
    taken = {*fixed.values(), *(node.bridge_ip for node in nodes)}
    # A pod that has gone keeps its address from the next one: an answer from it would be a lie.
    taken |= {pod.address for pod in previous.values()}
    free = {node.name: usable(node.pod_cidr, first=FIRST_POD) for node in nodes}
    return {
        key: fixed.get(key) or take(free[node.name], taken, what=f"pod {key.shown} on {node.name}")
        for key, node, pod in wanted
    }


def _dumped_address(pod: kinds.Pod, node: Node) -> IPv4Address | None:
    """The address that a dump says, if this lab's node can give it."""
    if pod.status.pod_ip is None:
        return None
    address = IPv4Address(pod.status.pod_ip)
    usable_here = address in node.pod_cidr and address not in {
        node.pod_cidr.network_address,
        node.bridge_ip,
        node.pod_cidr.broadcast_address,
    }
    return address if usable_here else None


def _interfaces(wanted: Sequence[Placed]) -> Mapping[ObjectName, str]:
    """Names of the nodes' veth ends: ``veth-POD`` where that fits in 15 bytes, else a hash."""
    names: dict[ObjectName, str] = {}
    for key, _node, pod in wanted:
        names[key] = "" if pod.spec.host_network else interface_name(key)
    return names


def interface_name(pod: ObjectName) -> str:
    """The node's end of a pod's veth pair.

    Names of pods outside the Namespace ``default`` and longer than 10 characters are hashed, as
    CNI plugins do for every pod: 5 for ``veth-``, 10 hexadecimal digits, 15 in all.
    """
    plain = VETH_PREFIX + pod.shown
    if len(plain) <= INTERFACE_NAME_BYTES and "/" not in plain:
        return plain
    digest = hashlib.sha256(str(pod).encode()).hexdigest()
    return VETH_PREFIX + digest[: INTERFACE_NAME_BYTES - len(VETH_PREFIX)]


def _pod(
    manifest: kinds.Pod, key: ObjectName, node: Node, address: IPv4Address, interface: str
) -> Pod:
    return Pod(
        key=key,
        node=node.name,
        address=address,
        interface=interface,
        host_network=manifest.spec.host_network,
        ready=is_ready(manifest),
        terminating=manifest.metadata.deletion_timestamp is not None,
        labels=manifest.metadata.labels,
        containers=tuple(
            _container(container, manifest.spec, runs=not manifest.status.phase)
            for container in manifest.spec.containers
        ),
    )


def is_ready(pod: kinds.Pod) -> bool:
    """Whether a pod is ready: the annotation, else what a dump says, else yes.

    A dump says it in the Ready condition; where there is none, every container must be ready.
    """
    annotation = pod.metadata.annotations.get(READY_ANNOTATION)
    if annotation is not None:
        return annotation != "false"
    conditions = {condition.type: condition.status for condition in pod.status.conditions}
    if "Ready" in conditions:
        return conditions["Ready"] == "True"
    return all(container.ready for container in pod.status.container_statuses)


def _container(spec: kinds.Container, pod: kinds.PodSpec, *, runs: bool) -> Container:
    """A container; the command of a dumped pod is a program of its image, not of this machine."""
    return Container(
        name=spec.name,
        command=tuple([*spec.command, *spec.args] if spec.command and runs else ()),
        env={variable.name: variable.value for variable in spec.env},
        ports=tuple(_port(port, pod) for port in spec.ports),
    )


def _port(port: kinds.ContainerPort, pod: kinds.PodSpec) -> ContainerPort:
    address = IPv4Address(port.host_ip) if port.host_ip else None
    return ContainerPort(
        port=port.container_port,
        protocol=Protocol(port.protocol),
        name=port.name,
        host_port=(port.host_port or None) if not pod.host_network else None,
        host_ip=None if address is None or address.is_unspecified else address,
    )
