"""How a marker is seen in one node's kernel, in each of kube-proxy's modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from labkit.cluster.model import Protocol as TransportProtocol
from labkit.cluster.object_names import ServicePortName
from labkit.dataplane import names
from labkit.dataplane.iptables.apply import Backend
from labkit.dataplane.kube_proxy.marker import ADDRESS, Marker
from labkit.dataplane.nftables import names as nft_names
from labkit.kernel.chains import Chains, LegacyChains, NftChains
from labkit.kernel.ipvs import PROTOCOLS, Server, real_servers
from labkit.kernel.netns import Namespace


class Lookout(Protocol):
    """Looks for markers in one node's kernel."""

    def has_come(self, marker: Marker) -> bool:
        """Whether the rules hold everything that was told with a marker.

        Raises:
            KernelError: the kernel does not say.
        """
        ...

    def has_followed(self, marker: Marker, before: Marker) -> bool:
        """Whether the sync that brought the marker before is over, and a later one is as well."""
        ...

    def close(self) -> None:
        """Let go of the node."""
        ...


def lookout(namespace: Namespace, mode: str, backend: Backend) -> Lookout:
    """Return what sees markers of kube-proxy in this mode."""
    if mode == "ipvs":
        return _VirtualServers(namespace)
    if mode == "nftables":
        return _Chains(NftChains(namespace, nft_names.TABLE), nft_names.service_chain)
    chains = LegacyChains if backend == "legacy" else NftChains
    return _Chains(chains(namespace, "nat"), names.service_chain)


class _Chains:
    """iptables and nftables modes: all rules of a sync come at once."""

    def __init__(
        self, chains: Chains, name: Callable[[ServicePortName, TransportProtocol], str]
    ) -> None:
        self._chains = chains
        self._name = name

    def has_come(self, marker: Marker) -> bool:
        return self._chains.has(self._name(marker.name, TransportProtocol.TCP))

    def has_followed(self, marker: Marker, before: Marker) -> bool:  # noqa: ARG002
        # Chains that are gone may stay for a while; the new one is there in the same moment.
        return self.has_come(marker)

    def close(self) -> None:
        self._chains.close()


class _VirtualServers:
    """IPVS mode: servers come one by one, then ipsets and rules; what is gone goes last."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace

    def has_come(self, marker: Marker) -> bool:
        # With its real server: of a server alone kube-proxy may know by the Service only.
        return bool(self._real_servers(marker))

    def has_followed(self, marker: Marker, before: Marker) -> bool:
        return self.has_come(marker) and self._real_servers(before) is None

    def close(self) -> None:
        """Nothing: the file is opened for each look."""

    def _real_servers(self, marker: Marker) -> int | None:
        server = Server(protocol=PROTOCOLS["TCP"], ip=ADDRESS, port=marker.port)
        return real_servers(self._namespace, server)
