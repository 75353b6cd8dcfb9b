"""Pods by what leads to them: labels for selectors, addresses for EndpointSlices by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.cluster.model import Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.manifest.selection import Labelled, Selection


class PodIndex:
    """The pods of a cluster; what it finds is in their order."""

    def __init__(self, pods: tuple[Pod, ...]) -> None:
        self.pods = pods
        self._selection = Selection(Labelled(pod.key.namespace, pod.labels, pod) for pod in pods)
        self.shown: Mapping[ObjectName, str] = {pod.key: str(pod.address) for pod in pods}
        """The pods' addresses as text, which is dear to make for each Service again."""
        self.by_address: Mapping[str, Pod] = {
            self.shown[pod.key]: pod for pod in pods if not pod.host_network
        }
        """Pods with an address of their own."""
        self._on_host = {
            (self.shown[pod.key], declared.protocol, declared.port): pod
            for pod in pods
            if pod.host_network
            for container in pod.containers
            for declared in container.ports
        }

    def selected(self, namespace: str, selector: Mapping[str, str] | None) -> Sequence[Pod]:
        """The pods that the selector of a Service in ``namespace`` means; none without one."""
        return self._selection.selected(namespace, selector)

    def at(self, address: str, protocol: Protocol, port: int) -> Pod | None:
        """The pod at an address; at a node's that on the host network which declares the port."""
        return self._on_host.get((address, protocol, port)) or self.by_address.get(address)
