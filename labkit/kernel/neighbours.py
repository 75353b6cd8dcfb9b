"""ARP entries of large labs: permanent, for the machine's table is too small to learn them.

The kernel has one table for all namespaces together. From ``gc_thresh3`` entries on, 1,024 by
default, no namespace learns another address, and packets are lost. Permanent entries do not count,
and the thresholds are the machine's own, which a lab leaves alone.

Source: arp(7); Linux 6.x net/core/neighbour.c, neigh_alloc (exempt_from_gc).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Node, Pod
from labkit.kernel import netlink
from labkit.kernel.netlink import Request

MOST_LEARNED: Final = 256
"""Entries that a lab may learn: several labs share the table, and the machine needs some too."""


class Neighbours:
    """The entries that hosts of one cluster are given; none where the lab is small."""

    def __init__(self, cluster: Cluster) -> None:
        network = cluster.network
        self._lan = [node.address for node in cluster.nodes]
        self._lan += [each.address for each in cluster.clients if each.address in network.lan]
        pods = sum(not pod.host_network for pod in cluster.pods)
        self.permanent = len(self._lan) ** 2 + 2 * pods > MOST_LEARNED

    def mac(self, address: IPv4Address) -> bytes:
        """The MAC address that others expect; empty for one of the kernel's choice."""
        return netlink.pod_mac(address) if self.permanent else b""

    def on_lan(self, index: int, own: IPv4Address) -> Iterator[Request]:
        """Entries of a host on the LAN for every other."""
        if self.permanent:
            yield from (_entry(index, other) for other in self._lan if other != own)

    def of_pod(self, index: int, node: Node) -> Iterator[Request]:
        """The entry of a pod for its node."""
        if self.permanent:
            yield _entry(index, node.bridge_ip)

    def of_node(self, index: int, pods: Sequence[Pod]) -> Iterator[Request]:
        """Entries of a node for its pods."""
        if self.permanent:
            yield from (_entry(index, pod.address) for pod in pods)

    def without(self, index: int, pod: Pod) -> Iterator[Request]:
        """What makes a node forget a pod, so that it says at once that nobody is there."""
        if self.permanent:
            yield netlink.delete_neighbour(index, pod.address)


def _entry(index: int, address: IPv4Address) -> Request:
    return netlink.new_neighbour(index, address, netlink.pod_mac(address))
