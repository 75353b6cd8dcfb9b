"""Makes the objects of a cluster fit a lab: its Lab, and the addresses that can be kept.

An address that a lab cannot have as it is is taken out of its object, so that `labkit.cluster`
gives a new one, and is told as displaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Final, TypeVar

from msgspec.structs import replace

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4, ipv4_range
from labkit.manifest.displace import Displacer
from labkit.manifest.dumped_values import Plainer, first_ipv4
from labkit.manifest.dumps import addresses_of
from labkit.manifest.lab_hosts import Host, lab_hosts
from labkit.manifest.labs import (
    bare,
    cluster_ip_of,
    external_addresses,
    made_client,
    node_port_range,
)
from labkit.manifest.loaded import Loaded
from labkit.manifest.network_plan import Plan, Wants, plan_network
from labkit.manifest.pod_ranges import PodWants
from labkit.manifest.problems import Finding, Problem
from labkit.manifest.scope import clients

T = TypeVar("T")

_ADD_NODES: Final = "give the Nodes of the same cluster too (kubectl get nodes -o yaml)"
_OTHER_NODES: Final = "leave the Lab's nodes out, or give them the names of the cluster's"


@dataclass(slots=True)
class Fitted:
    """Objects that fit a lab, the Lab, and what had to be changed."""

    objects: list[Loaded]
    lab: kinds.Lab | None
    displaced: list[kinds.Displaced] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    missing: list[Problem] = field(default_factory=list)
    """Nodes that the files ought to have."""


def fit(objects: Sequence[Loaded], path: str) -> Fitted:
    """Return the objects as a lab can have them, and the Lab that they are in.

    Where nothing is from a cluster the objects stay as they are.
    """
    written = next((each for each in objects if each.kind == "Lab"), None)
    if written is not None and not isinstance(written.value, kinds.Lab):
        return Fitted(list(objects), None)
    lab = written.value if written is not None and isinstance(written.value, kinds.Lab) else None
    pods = [each.value for each in objects if each.dumped and isinstance(each.value, kinds.Pod)]
    hosts = lab_hosts(lab, values(objects, kinds.NodeObject), pods)
    fitted = Fitted([], lab)
    plainer = Plainer({host.name for host in hosts})
    fitted.objects = [plainer.plain(each) for each in _on_known_nodes(objects, hosts, fitted)]
    fitted.left_out += plainer.words
    _settle(fitted, written, hosts, path)
    return fitted


def values(objects: Iterable[Loaded], kind: type[T]) -> tuple[T, ...]:
    """The objects of a kind."""
    return tuple(loaded.value for loaded in objects if isinstance(loaded.value, kind))


def _on_known_nodes(
    objects: Sequence[Loaded], hosts: Sequence[Host], fitted: Fitted
) -> Iterator[Loaded]:
    """All objects but the cluster's pods on nodes that are not there.

    The EndpointSlice controller makes no endpoint of such a pod either. Differs from it: if none
    of the pods has a node here, these are not the right nodes.
    """
    names = {host.name for host in hosts}
    lost: list[Loaded] = []
    found = 0
    for loaded in objects:
        pod = loaded.value
        if loaded.dumped and isinstance(pod, kinds.Pod):
            if pod.spec.node_name not in names:
                lost.append(loaded)
                continue
            found += 1
        yield loaded
    for loaded in lost:
        pod = loaded.value
        node = pod.spec.node_name if isinstance(pod, kinds.Pod) else ""
        why = f"its node {node} is in none of the files"
        fitted.left_out.append(f"Pod {loaded.key.shown} ({why})")
        if not found:
            message = f"there is no node '{node}' in these files, nor one of any other pod"
            of_lab = fitted.lab is not None and fitted.lab.spec.nodes
            finding = Finding(("spec", "nodeName"), message, _OTHER_NODES if of_lab else _ADD_NODES)
            fitted.missing.append(loaded.problem(finding))
            found = 1


def _settle(fitted: Fitted, written: Loaded | None, hosts: Sequence[Host], path: str) -> None:
    """Give the Lab its nodes, ranges and client; take out of objects what does not fit."""
    lab = fitted.lab or bare(path)
    spec = lab.spec
    of_cluster = any(each.dumped for each in fitted.objects) or any(
        host.given_address or host.given_network for host in hosts
    )
    if of_cluster or fitted.lab is None:
        plan = plan_network(_wants(fitted, written, hosts))
        spec = replace(spec, network=_network(spec.network, written, plan))
        displacer = Displacer(spec.network, plan.node_ranges if of_cluster else {})
        nodes = [displacer.node(host) for host in hosts]
        fitted.objects = [displacer.fitting(each) for each in fitted.objects]
        fitted.displaced = displacer.displaced
    else:
        nodes = [host.spec for host in hosts]
    spec = replace(spec, nodes=nodes)
    if of_cluster:
        spec = _as_the_cluster(spec, fitted, written, hosts)
    fitted.lab = replace(lab, spec=spec)


def _network(network: kinds.LabNetwork, written: Loaded | None, plan: Plan) -> kinds.LabNetwork:
    """The ranges that the Lab says, and else those that are planned."""
    if plan.lan and not _says(written, "lan"):
        network = replace(network, lan=str(plan.lan))
    if plan.pod_cidr and not _says(written, "podCIDR"):
        network = replace(network, pod_cidr=str(plan.pod_cidr))
    if plan.service_cidr and not _says(written, "serviceCIDR"):
        network = replace(network, service_cidr=str(plan.service_cidr))
    return network


def _as_the_cluster(
    spec: kinds.LabSpec, fitted: Fitted, written: Loaded | None, hosts: Sequence[Host]
) -> kinds.LabSpec:
    """A client that can reach the cluster's addresses, and the cluster's own NodePorts."""
    services = values(fitted.objects, kinds.Service)
    if written is None:
        client = made_client(hosts, values(fitted.objects, kinds.Pod), services)
        made: list[kinds.LabClient] = [client]
        spec = replace(spec, clients=made)
    if written is None or not written.has("spec", "nodePortRange"):
        spec = replace(spec, node_port_range=node_port_range(spec.node_port_range, services))
    return spec


def _says(written: Loaded | None, name: str) -> bool:
    return written is not None and written.has("spec", "network", name)


def _fixed(written: Loaded | None, name: str, text: str) -> IPv4Network | None:
    return ipv4_range(text) if _says(written, name) else None


def _wants(fitted: Fitted, written: Loaded | None, hosts: Sequence[Host]) -> Wants:
    spec = fitted.lab.spec if fitted.lab else kinds.LabSpec()
    network = spec.network
    services = values(fitted.objects, kinds.Service)
    slices = values(fitted.objects, kinds.EndpointSlice)
    external = [text for service in services for text in external_addresses(service)]
    by_hand = [text for each in slices for entry in each.endpoints for text in entry.addresses]
    cluster_ips = [cluster_ip_of(service)[0] for service in services]
    pods, counts = _pods_by_node(fitted.objects)
    return Wants(
        nodes={host.name: host.address for host in hosts},
        clients=len(clients(spec)),
        outside=[each for text in (*external, *by_hand) if (each := ipv4(text))],
        cluster_ips=[each for text in cluster_ips if text and (each := ipv4(text))],
        services=len(services),
        lan=_fixed(written, "lan", network.lan),
        service_cidr=_fixed(written, "serviceCIDR", network.service_cidr),
        pods=PodWants(
            declared={host.name: host.network for host in hosts},
            fixed=frozenset(host.name for host in hosts if host.spec.pod_cidr),
            pod_cidr=_fixed(written, "podCIDR", network.pod_cidr),
            pods=pods,
            counts=counts,
        ),
    )


def _pods_by_node(
    objects: Sequence[Loaded],
) -> tuple[dict[str, list[IPv4Address]], Counter[str]]:
    """Addresses and number of the cluster's pods that are not on the host network."""
    addresses: dict[str, list[IPv4Address]] = {}
    counts: Counter[str] = Counter()
    for loaded in objects:
        pod = loaded.value
        if loaded.dumped and isinstance(pod, kinds.Pod) and not pod.spec.host_network:
            name = str(pod.spec.node_name)
            counts[name] += 1
            text = first_ipv4(addresses_of(pod))
            if text and (address := ipv4(text)):
                addresses.setdefault(name, []).append(address)
    return addresses, counts
