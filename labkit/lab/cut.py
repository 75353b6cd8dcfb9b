"""A scenario cut down to what one flow needs: its ends, its Service and that one's pods. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Final

from labkit.manifest import kinds
from labkit.manifest.key import Key
from labkit.manifest.kinds import LABKIT_API, LocatedCheck, Scenario
from labkit.manifest.loaded import Loaded
from labkit.manifest.tree import plain

Manifest = dict[str, Any]
SERVICE_NAME: Final = "kubernetes.io/service-name"
"""Label of an EndpointSlice: whose it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What a flow needs, as the cluster knows it."""

    hosts: frozenset[str]
    """Names of nodes, clients and pods."""
    service: Key | None
    """The Service that it goes to."""
    addresses: Mapping[str, IPv4Address]
    """Of nodes and pods, by name: what a file leaves out would be others with fewer hosts."""
    pod_cidrs: Mapping[str, str]
    """Of nodes, by name."""
    dataplane: str


def cut_down(scenario: Scenario, needed: Needed, check: LocatedCheck | None) -> list[Manifest]:
    """Return the objects that a flow needs, with the addresses that they had.

    Args:
        scenario: what the lab was.
        needed: by the flow.
        check: the one Check to keep; None for none of them.
    """
    kept = [
        _pinned(each, found, needed)
        for each in scenario.objects
        if (found := _as_dict(each)) is not None and _is_needed(each, needed, check)
    ]
    return _with_lab(scenario, kept, needed.dataplane)


def whole(scenario: Scenario, dataplane: str) -> list[Manifest]:
    """Return all objects of a scenario, under a data plane."""
    every = [found for each in scenario.objects if (found := _as_dict(each)) is not None]
    return [
        {**each, "spec": {**(each.get("spec") or {}), "dataplane": dataplane}}
        if each.get("kind") == "Lab"
        else each
        for each in _with_lab(scenario, every, dataplane)
    ]


def _with_lab(scenario: Scenario, objects: list[Manifest], dataplane: str) -> list[Manifest]:
    """Objects with a Lab: a dump of a cluster may have none."""
    if any(each.get("kind") == "Lab" for each in objects):
        return objects
    metadata = {"name": scenario.lab.metadata.name}
    spec = {"dataplane": dataplane}
    lab = {"apiVersion": LABKIT_API, "kind": "Lab", "metadata": metadata, "spec": spec}
    return [lab, *objects]


def _as_dict(loaded: Loaded) -> Manifest | None:
    found = plain(loaded.root)
    return found if isinstance(found, dict) else None


def _is_needed(loaded: Loaded, needed: Needed, check: LocatedCheck | None) -> bool:
    key = loaded.key
    match loaded.value:
        case kinds.Check():
            return check is not None and loaded.locate() == check.location
        case kinds.NodeObject() | kinds.Pod():
            names = [key.shown]
        case kinds.Workload() as workload:
            names = list(_replicas(key.namespace, workload))
        case kinds.Service():
            return key == needed.service
        case kinds.EndpointSlice() as piece:
            owner = piece.metadata.labels.get(SERVICE_NAME, "")
            return Key(piece.metadata.namespace, owner) == needed.service
        case _:
            return True
    return not needed.hosts.isdisjoint(names)


def _replicas(namespace: str, workload: kinds.Workload) -> Iterator[str]:
    for number in range(1, workload.spec.replicas + 1):
        yield Key(namespace, workload.replica_name(number)).shown


def _pinned(loaded: Loaded, found: Manifest, needed: Needed) -> Manifest:
    match loaded.value:
        case kinds.Lab():
            return {**found, "spec": _lab_spec(found.get("spec") or {}, loaded.value, needed)}
        case kinds.Pod() if not loaded.dumped:
            address = needed.addresses.get(loaded.key.shown)
            if address is not None and not loaded.value.spec.host_network:
                return {**found, "status": {**(found.get("status") or {}), "podIP": str(address)}}
    return found


def _lab_spec(spec: Manifest, lab: kinds.Lab, needed: Needed) -> Manifest:
    found = {**spec, "dataplane": needed.dataplane}
    if "nodes" in spec:
        given = {each["name"]: each for each in spec["nodes"]}
        found["nodes"] = [
            {
                **given[node.name],
                "address": str(needed.addresses[node.name]),
                "podCIDR": needed.pod_cidrs[node.name],
            }
            for node in lab.spec.nodes
            if node.name in needed.hosts
        ]
    return found
