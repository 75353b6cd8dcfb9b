"""The Lab of a scenario that has none: made from the Nodes of a dump, or two plain nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from pathlib import PurePath
from typing import Final

from msgspec.structs import replace

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4, ipv4_range

_NODES: Final = ("node1", "node2")
_LAN_PREFIX: Final = 24
_CLUSTER_PREFIX: Final = 16


def filled(lab: kinds.Lab, nodes: Sequence[kinds.NodeObject]) -> kinds.Lab:
    """The Lab with nodes: its own, else the Nodes', else two."""
    if lab.spec.nodes:
        return lab
    found = [kinds.LabNode(name=node.metadata.name) for node in nodes]
    plain = [kinds.LabNode(name=name) for name in _NODES]
    return replace(lab, spec=replace(lab.spec, nodes=found or plain))


def made_up(
    path: str, nodes: Sequence[kinds.NodeObject], services: Sequence[kinds.Service]
) -> kinds.Lab:
    """A Lab for Nodes and Services that come without one, with one client.

    The Nodes' own addresses, pod CIDRs and the Services' cluster IPs are kept: the ranges are as
    wide as these need. Where one Node lacks an address, all are given new ones.
    """
    network = kinds.LabNetwork()
    found = [_node(node) for node in nodes]
    addresses = [ipv4(node.address or "") for node in found]
    pod_cidrs = [ipv4_range(node.pod_cidr or "") for node in found]
    if found and all(addresses):
        network = replace(network, lan=_cover(map(_alone, addresses), _LAN_PREFIX))
    else:
        found = [replace(node, address=None) for node in found]
    if found and all(pod_cidrs):
        network = replace(network, pod_cidr=_cover(pod_cidrs, _CLUSTER_PREFIX))
    else:
        found = [replace(node, pod_cidr=None) for node in found]
    cluster_ips = [ipv4(service.spec.cluster_ip or "") for service in services]
    inside = IPv4Network(network.service_cidr)
    if any(address and address not in inside for address in cluster_ips):
        wide = _cover(map(_alone, cluster_ips), _CLUSTER_PREFIX)
        network = replace(network, service_cidr=wide)
    spec = kinds.LabSpec(nodes=found, network=network)
    return filled(kinds.Lab(metadata=kinds.LabMeta(name=_name(path)), spec=spec), ())


def _node(node: kinds.NodeObject) -> kinds.LabNode:
    internal = (each.address for each in node.status.addresses if each.type == "InternalIP")
    address = next((text for text in internal if ipv4(text)), None)
    return kinds.LabNode(name=node.metadata.name, address=address, pod_cidr=node.spec.pod_cidr)


def _alone(address: IPv4Address | None) -> IPv4Network | None:
    return IPv4Network(address) if address else None


def _cover(parts: Iterable[IPv4Network | None], prefix: int) -> str:
    """The smallest range of at most ``prefix`` bits' length that holds all parts."""
    known = sorted(collapse_addresses(part for part in parts if part))
    low, high = known[0].network_address, known[-1].broadcast_address
    whole = IPv4Network((low, min(prefix, known[0].prefixlen)), strict=False)
    while high not in whole:
        whole = whole.supernet()
    return str(whole)


def _name(path: str) -> str:
    """A Lab's name from its file's."""
    stem = re.sub(r"[^a-z0-9]+", "-", PurePath(path).stem.lower()).strip("-")
    return stem[:63].rstrip("-") or "lab"
