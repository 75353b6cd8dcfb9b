"""The hosts of a lab before they have addresses: what the Lab says, then what the cluster says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4, ipv4_range
from labkit.manifest.dumped_values import first_ipv4, node_address, node_range

_PLAIN: Final = ("node1", "node2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A node, and what is known of its addresses."""

    spec: kinds.LabNode
    """What the Lab says of it."""
    address: IPv4Address | None = None
    network: IPv4Network | None = None
    given_address: str = ""
    """What the cluster says; empty if nothing."""
    given_network: str = ""
    ready: bool = True
    of_cluster: bool = False
    """Whether a Node, or the status of a pod, tells of it."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self.spec.name


def lab_hosts(
    lab: kinds.Lab | None, nodes: Sequence[kinds.NodeObject], pods: Sequence[kinds.Pod]
) -> list[Host]:
    """The Lab's nodes, else the Nodes, else those that pods of a cluster are on, else two."""
    by_name = {node.metadata.name: node for node in reversed(nodes)}
    if lab and lab.spec.nodes:
        return [_host(each, by_name.get(each.name)) for each in lab.spec.nodes]
    if nodes:
        return [_host(kinds.LabNode(name=node.metadata.name), node) for node in nodes]
    return list(_of_pods(pods)) or [_host(kinds.LabNode(name=name), None) for name in _PLAIN]


def _host(spec: kinds.LabNode, node: kinds.NodeObject | None) -> Host:
    """What the Lab says wins."""
    address, given_address = node_address(node) if node else (None, "")
    network, given_network = node_range(node) if node else (None, "")
    return Host(
        spec=spec,
        address=ipv4(spec.address or address or ""),
        network=ipv4_range(spec.pod_cidr or network or ""),
        given_address=address or given_address,
        given_network=network or given_network,
        ready=node is None or _is_ready(node),
        of_cluster=node is not None,
    )


def _is_ready(node: kinds.NodeObject) -> bool:
    return all(each.status == "True" for each in node.status.conditions if each.type == "Ready")


def _of_pods(pods: Sequence[kinds.Pod]) -> Iterator[Host]:
    """Nodes that only pods tell of, with the address that the pods' status has of them."""
    addresses: dict[str, str] = {}
    for pod in pods:
        given = pod.status.host_ip or ""
        if pod.spec.node_name and not addresses.get(pod.spec.node_name):
            addresses[pod.spec.node_name] = given
    for name, text in sorted(addresses.items()):
        address = ipv4(first_ipv4([text]) or "")
        spec = kinds.LabNode(name=name)
        yield Host(spec=spec, address=address, given_address=text, of_cluster=True)
