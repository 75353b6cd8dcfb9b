"""Labs: hosts, addresses and ranges that fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations
from typing import Final

from labkit.manifest import kinds, names
from labkit.manifest.addresses import address_findings, ipv4, ipv4_range, range_findings, special
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.scope import clients

_NETWORK: Final[Path] = ("spec", "network")
_PROXY: Final[Path] = ("spec", "kubeProxy")
_RANGE: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})\Z")
_MASQUERADE_BITS: Final = range(32)
_LONGEST_NODE_PREFIX: Final = 30
"""A node's pod CIDR holds cni0's address and a pod's, besides its network and broadcast address."""
_SCHEDULERS: Final = (
    *(
        "rr",
        "wrr",
        "lc",
        "wlc",
        "lblc",
        "lblcr",
        "sh",
        "dh",
        "sed",
        "nq",
        "fo",
        "ovf",
        "mh",
        "twos",
    ),
)
_RESERVED: Final = {
    "all": "`--from all` means every host",
    "preserved": "clientSource uses it for the client's own address",
}
_UNROUTED: Final = (
    IPv4Network("127.0.0.0/8"),
    IPv4Network("224.0.0.0/3"),
    IPv4Network("0.0.0.0/8"),
)
"""Loopback, multicast and above, and "this network": no range of a lab can be in them."""


def port_range(lab: kinds.Lab | None) -> range | None:
    """The NodePorts that a Lab allows, or None if what it says is no range."""
    match = _RANGE.match(lab.spec.node_port_range) if lab else None
    if match is None:
        return None
    low, high = int(match.group(1)), int(match.group(2))
    return range(low, high + 1) if 0 < low <= high < 1 << 16 else None


def lab_findings(loaded: Loaded, lab: kinds.Lab) -> Iterator[Finding]:
    """What is wrong with a Lab whose nodes have been filled in."""
    spec = lab.spec
    if remedy := names.subdomain(lab.metadata.name):
        message = f"'{quote(lab.metadata.name)}' is no Lab name"
        yield Finding(("metadata", "name"), message, remedy)
    if not spec.nodes or (loaded.has("spec", "nodes") and not _given(loaded, "nodes")):
        yield Finding(
            ("spec", "nodes"), "a lab without a node", "give at least one: [{name: node1}]"
        )
    yield from _host_names(spec)
    yield from _ranges(spec)
    yield from _host_addresses(spec)
    yield from _pod_cidrs(spec)
    yield from _routes(spec)
    yield from _room(spec)
    yield from _kube_proxy(spec.kube_proxy)
    if port_range(lab) is None:
        message = f"'{quote(spec.node_port_range)}' is no range of ports"
        yield Finding(("spec", "nodePortRange"), message, "give LOW-HIGH such as 30000-32767")


def _given(loaded: Loaded, field: str) -> bool:
    return loaded.has("spec", field, 0)


def _hosts(spec: kinds.LabSpec) -> Iterator[tuple[Path, str, str | None]]:
    """Path, name and address of every node and client."""
    for index, node in enumerate(spec.nodes):
        yield ("spec", "nodes", index), node.name, node.address
    for index, client in enumerate(clients(spec)):
        yield ("spec", "clients", index), client.name, client.address


def _host_names(spec: kinds.LabSpec) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for path, name, _address in _hosts(spec):
        where = (*path, "name")
        if remedy := names.host(name):
            yield Finding(where, f"'{quote(name)}' is no host name", remedy)
        elif name in _RESERVED:
            yield Finding(
                where, f"{name} has a meaning of its own", f"{_RESERVED[name]}; give another"
            )
        elif name in seen:
            message = f"the name {name} is there twice"
            yield Finding(where, message, "name nodes and clients differently")
        seen[name] = name
    for index, node in enumerate(spec.nodes):
        yield from names.label_findings(node.labels, ("spec", "nodes", index, "labels"))


def _networks(spec: kinds.LabSpec) -> dict[str, IPv4Network]:
    """The ranges that are well formed, by field."""
    network = spec.network
    texts = {"lan": network.lan, "podCIDR": network.pod_cidr, "serviceCIDR": network.service_cidr}
    found = {field: ipv4_range(text) for field, text in texts.items()}
    return {field: each for field, each in found.items() if each}


def _ranges(spec: kinds.LabSpec) -> Iterator[Finding]:
    network = spec.network
    yield from range_findings(network.lan, (*_NETWORK, "lan"))
    yield from range_findings(network.pod_cidr, (*_NETWORK, "podCIDR"))
    yield from range_findings(network.service_cidr, (*_NETWORK, "serviceCIDR"))
    found = _networks(spec)
    for field, each in found.items():
        if any(each.overlaps(other) for other in _UNROUTED):
            message = f"{each} holds addresses that are not routed"
            yield Finding((*_NETWORK, field), message, "give a range such as 10.244.0.0/16")
    for (one, first), (other, second) in combinations(found.items(), 2):
        if first.overlaps(second):
            message = f"{second} overlaps {one} {first}"
            yield Finding((*_NETWORK, other), message, "give ranges that are apart")


def _host_addresses(spec: kinds.LabSpec) -> Iterator[Finding]:
    lan = _networks(spec).get("lan")
    seen: dict[IPv4Address, str] = {}
    for path, name, text in _hosts(spec):
        if text is None:
            continue
        where = (*path, "address")
        yield from address_findings(text, where)
        address = ipv4(text)
        if address is None:
            continue
        if address in seen:
            yield Finding(where, f"{address} is {seen[address]}'s", "give each host its own")
        seen[address] = name
        if lan:
            yield from _placed(where, address, lan, is_node=path[1] == "nodes")
        yield from _outsider(where, address, spec)


def _placed(
    where: Path, address: IPv4Address, lan: IPv4Network, *, is_node: bool
) -> Iterator[Finding]:
    if address in (lan.network_address, lan.broadcast_address):
        message = f"{address} is the network or broadcast address of the LAN {lan}"
        yield Finding(where, message, "give one between them")
    elif address not in lan and is_node:
        yield Finding(where, f"{address} is outside the LAN {lan}", "give an address in it")


def _outsider(where: Path, address: IPv4Address, spec: kinds.LabSpec) -> Iterator[Finding]:
    if what := special(address):
        yield Finding(where, f"{address} is {what}", "give an address that can be routed")
    for field, network in _networks(spec).items():
        if field != "lan" and address in network:
            message = f"{address} is inside the {field} {network}"
            yield Finding(where, message, "give a host an address outside the cluster's ranges")


def _pod_cidrs(spec: kinds.LabSpec) -> Iterator[Finding]:
    whole = _networks(spec).get("podCIDR")
    seen: dict[IPv4Network, str] = {}
    for index, node in enumerate(spec.nodes):
        if node.pod_cidr is None:
            continue
        where = ("spec", "nodes", index, "podCIDR")
        yield from range_findings(node.pod_cidr, where)
        found = ipv4_range(node.pod_cidr)
        if found is None:
            continue
        if whole and not found.subnet_of(whole):
            message = f"{found} is not inside network.podCIDR {whole}"
            yield Finding(where, message, "give a part of it, or widen network.podCIDR")
        if found.prefixlen > _LONGEST_NODE_PREFIX:
            message = f"{found} has no room for a pod"
            yield Finding(where, message, f"give a /{_LONGEST_NODE_PREFIX} or wider")
        for other, owner in seen.items():
            if found.overlaps(other):
                yield Finding(
                    where, f"{found} overlaps {owner}'s {other}", "give ranges that are apart"
                )
        seen[found] = node.name


def _routes(spec: kinds.LabSpec) -> Iterator[Finding]:
    nodes = [node.name for node in spec.nodes]
    for number, client in enumerate(clients(spec)):
        for index, route in enumerate(client.routes):
            path = ("spec", "clients", number, "routes", index)
            yield from range_findings(route.to, (*path, "to"))
            if route.via not in nodes and ipv4(route.via) is None:
                message = f"'{quote(route.via)}' is no node of this lab and no address"
                yield Finding((*path, "via"), message, nearest(route.via, nodes))


def _room(spec: kinds.LabSpec) -> Iterator[Finding]:
    """Every host and the LAN's router need an address."""
    lan = _networks(spec).get("lan")
    if lan is None:
        return
    given = [ipv4(text) if text is not None else None for _path, _name, text in _hosts(spec)]
    needed = 1 + sum(1 for address in given if address is None or address in lan)
    free = max(lan.num_addresses - 2, 0)
    if needed > free:
        message = f"{lan} has {free} addresses for {needed} hosts, the router among them"
        yield Finding((*_NETWORK, "lan"), message, "give a wider range")


def _kube_proxy(proxy: kinds.LabKubeProxy) -> Iterator[Finding]:
    if proxy.cluster_cidr:
        yield from range_findings(proxy.cluster_cidr, (*_PROXY, "clusterCIDR"))
    for index, text in enumerate(proxy.node_port_addresses):
        yield from range_findings(text, (*_PROXY, "nodePortAddresses", index))
    bit = proxy.iptables.masquerade_bit
    if bit not in _MASQUERADE_BITS:
        yield Finding((*_PROXY, "iptables", "masqueradeBit"), f"{bit} is no bit", "give 0 to 31")
    if proxy.ipvs.scheduler not in _SCHEDULERS:
        message = f"'{quote(proxy.ipvs.scheduler)}' is no IPVS scheduler"
        remedy = nearest(proxy.ipvs.scheduler, _SCHEDULERS)
        yield Finding((*_PROXY, "ipvs", "scheduler"), message, remedy)
    detect = proxy.detect_local
    needed = {
        "BridgeInterface": ("bridgeInterface", detect.bridge_interface),
        "InterfaceNamePrefix": ("interfaceNamePrefix", detect.interface_name_prefix),
    }.get(proxy.detect_local_mode)
    if needed and not needed[1]:
        remedy = f"detectLocalMode {proxy.detect_local_mode} needs it"
        yield Finding((*_PROXY, "detectLocal", needed[0]), "required", remedy)
