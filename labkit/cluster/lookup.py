"""Finds hosts of a cluster: by name, and by the addresses that they have."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Node, PodNetwork
from labkit.cluster.object_names import DEFAULT_NAMESPACE
from labkit.errors import UsageError
from labkit.manifest.problems import nearest, quote

LOCALHOST: Final = IPv4Address("127.0.0.1")


def host_names(cluster: Cluster) -> tuple[str, ...]:
    """Every host that can be a source: clients, nodes, pods, in the scenario's order."""
    return (*cluster.client_by_name, *cluster.node_by_name, *cluster.pod_by_name)


def host_named(cluster: Cluster, name: str, what: str = "host") -> str:
    """Return the name of a client, node or pod; ``default/web-1`` is ``web-1``.

    Raises:
        UsageError: there is none of that name.
    """
    known = host_names(cluster)
    if name in known:
        return name
    short = str(name).removeprefix(f"{DEFAULT_NAMESPACE}/")
    if short in cluster.pod_by_name:
        return short
    raise unknown(what, name, known)


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """An error that says which name was likely meant, and which there are."""
    given = quote(str(name)) or "''"
    return UsageError(f"{what} {given} does not exist in this lab; {nearest(str(name), known)}")


def own_node(cluster: Cluster, source: str) -> str | None:
    """The node whose network ``source`` has: its own, or a hostNetwork pod's; else None."""
    if source in cluster.node_by_name:
        return source
    pod = cluster.pod_by_name.get(source)
    return pod.node if pod and pod.host_network else None


def node_addresses(cluster: Cluster, node: Node) -> tuple[IPv4Address, ...]:
    """A node's addresses that others can see: LAN, ``cni0`` and, with vxlan, ``flannel.1``."""
    overlay = (node.vxlan_ip,) if cluster.network.pod_network is PodNetwork.VXLAN else ()
    return (node.address, node.bridge_ip, *overlay)
