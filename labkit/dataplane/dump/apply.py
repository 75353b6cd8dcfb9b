"""Installs what a real node held."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from labkit.cluster.lookup import node_addresses
from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, Renders, Silent
from labkit.dataplane.conntrack import forget_stale_flows
from labkit.dataplane.dump.parse import NodeDump, moved
from labkit.dataplane.iptables.apply import (
    Backend,
    IptablesPlane,
    choose_backend,
    with_line,
)
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.errors import KernelError
from labkit.kernel import netfilter
from labkit.kernel.netns import Namespace
from labkit.kernel.together import Tool, run_together

if TYPE_CHECKING:
    from labkit.dataplane.ipvs.apply import IpvsPlane

NFT: Final = ("nft", "-f", "-")
COUNTER: Final = re.compile(r" ?-m nfacct --nfacct-name +(\S+)")
IPSET: Final = ("ipset", "restore", "-exist")


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpPlane(Renders):
    """One node's own rules. They stay as they are, whatever becomes of the lab's Services."""

    dump: NodeDump
    backend: Backend | None = None
    """Of iptables; None until it is fitted to a kernel."""
    name: str = "dump"

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that the dump's own tools need."""
        nft = ("nftables",) if self.dump.nft else ()
        ipsets = ("ipset", "set match") if self.dump.ipsets else ()
        ipvs = _ipvs_plane().needs if self.dump.virtual_servers else ()
        return (*nft, *ipsets, *ipvs)

    def fitted(self, namespace: Namespace) -> DumpPlane:
        """Choose the iptables backend that the kernel has.

        Raises:
            MissingFeature: the dump has iptables rules and there is no iptables.
        """
        if not self.dump.iptables:
            return self
        return replace(self, backend=self.backend or choose_backend(namespace))

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """Those of the data plane that such rules are of."""
        if self.dump.virtual_servers:
            return _ipvs_plane().sysctls(cluster)
        return IptablesPlane().sysctls(cluster) if self.dump.iptables else {}

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: NodeDump | None = None,  # noqa: ARG002 - the interface's
    ) -> NodeDump:
        """Return the dump, with the lab's addresses for those of the cluster that it changed."""
        kept = moved(self.dump, {each.given: each.used for each in cluster.mapped if each.given})
        if kept.addresses is not None or not kept.virtual_servers:
            return kept
        own = set(node_addresses(cluster, node))
        served = {server.address.ip for server in kept.virtual_servers}
        return replace(kept, addresses=tuple(sorted(served - own)))

    def apply(self, changes: Sequence[Change[NodeDump]]) -> None:
        """Install dumps.

        Raises:
            CommandError: a tool refused its part.
            KernelError: the kernel refused the virtual servers.
        """
        for change in changes:
            dump = change.rules
            self._run(change.namespace, NFT, dump.nft)
            self._run(change.namespace, IPSET, dump.ipsets)
            restore = (f"iptables-{self.backend}-restore",)
            self._run(change.namespace, restore, _with_counters(change.namespace, dump.iptables))
            if dump.virtual_servers:
                from labkit.dataplane.ipvs.apply import install_servers

                install_servers(Change(change.namespace, _servers(dump), None))

    def mark(self, namespace: Namespace) -> object:  # noqa: ARG002 - the interface's
        """Nothing: such rules stay as they are, whatever anybody does to them."""
        return None

    def held(self, namespace: Namespace, rules: NodeDump) -> NodeDump:  # noqa: ARG002 - as above
        """Return all of them."""
        return rules

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        """Attempts that IPVS took for others, if this node has IPVS."""
        if not self.dump.virtual_servers:
            return frozenset()
        return _ipvs_plane().confused(silent, namespaces)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Forget UDP flows to endpoints that are gone."""
        forget_stale_flows(cluster, namespaces)

    @staticmethod
    def _run(namespace: Namespace, argv: tuple[str, ...], text: str) -> None:
        if text:
            for failure in run_together([Tool(namespace, argv, text)]):
                raise with_line(failure)


def _with_counters(namespace: Namespace, text: str) -> str:
    """Make the nfacct counters that rules name; without nfacct the rules go without them."""
    names = sorted(set(COUNTER.findall(text)))
    try:
        netfilter.ensure_nfacct(namespace, names)
    except KernelError:
        return COUNTER.sub("", text)
    return text


def _ipvs_plane() -> IpvsPlane:
    # Imported here: few labs have IPVS, and every lab imports this module.
    from labkit.dataplane.ipvs.apply import IpvsPlane

    return IpvsPlane()


def _servers(dump: NodeDump) -> IpvsRules:
    return IpvsRules.of(dump.virtual_servers, dump.addresses or ())
