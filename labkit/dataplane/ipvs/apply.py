"""Installs IPVS mode's tables: ipsets, iptables, virtual servers and addresses, in that order.

What a packet needs is there before what leads it there: an address of kube-ipvs0 comes last and
goes first.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, NewProxier for the sysctls.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, Renders, Silent
from labkit.dataplane.conntrack import conntrack_sysctls, forget_stale_flows
from labkit.dataplane.iptables import apply as iptables
from labkit.dataplane.iptables.apply import Backend, choose_backend, restore
from labkit.dataplane.ipvs import messages
from labkit.dataplane.ipvs.changes import TableChanges, table_changes
from labkit.dataplane.ipvs.confusion import confused_with
from labkit.dataplane.ipvs.held import Shown, rendered, shown
from labkit.dataplane.ipvs.render import render
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.sets import SETS
from labkit.dataplane.ipvs.tables import DUMMY
from labkit.dataplane.rules import Ruleset
from labkit.kernel import devices, ipset, ipvs
from labkit.kernel.conntrack import flows_from
from labkit.kernel.ipvs_counts import counts
from labkit.kernel.netlink import Request
from labkit.kernel.netns import Namespace

TABLES: Final = ("filter", "nat")
"""Of iptables."""
CONN_REUSE_FIXED: Final = (5, 9)
"""From here on the kernel's own choice is right (kubernetes#93297)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IpvsPlane(Renders):
    """kube-proxy's IPVS mode."""

    name: str = "ipvs"
    backend: Backend | None = None
    """Of iptables; None until it is fitted to a kernel."""
    needs: tuple[str, ...] = ("ip_vs", "dummy", "ipset", "set match", "ipvs match")

    def fitted(self, namespace: Namespace) -> IpvsPlane:
        """Choose the iptables backend that the kernel has.

        Raises:
            MissingFeature: there is no iptables at all.
        """
        return replace(self, backend=self.backend or choose_backend(namespace))

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """Connections through IPVS are tracked, and end when their real server is gone."""
        wanted = {
            "net/ipv4/vs/conntrack": "1",
            "net/ipv4/vs/expire_nodest_conn": "1",
            "net/ipv4/vs/expire_quiescent_template": "1",
            **conntrack_sysctls(cluster.kube_proxy),
        }
        if _kernel_version() < CONN_REUSE_FIXED:
            wanted["net/ipv4/vs/conn_reuse_mode"] = "0"
        if cluster.kube_proxy.ipvs_strict_arp:
            # Only the device that has an address answers for it: not every node for every Service.
            wanted["net/ipv4/conf/all/arp_ignore"] = "1"
            wanted["net/ipv4/conf/all/arp_announce"] = "2"
        return wanted

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: IpvsRules | None = None,
    ) -> IpvsRules:
        """Return everything that ``node`` holds."""
        return render(cluster, node, previous)

    def apply(self, changes: Sequence[Change[IpvsRules]]) -> None:
        """Install rules: everything anew the first time, afterwards what differs.

        Raises:
            KernelError: the kernel refused a step; what it had done by then stays.
            CommandError: iptables-restore refused its part.
        """
        wanted = [(change, table_changes(change.previous, change.rules)) for change in changes]
        for change, what in wanted:
            _extend_ipsets(change, what)
        tables = [_iptables(change) for change in changes]
        restore(self.backend or "nft", [each for each in tables if each.rules != each.previous])
        for change, what in wanted:
            _install_servers(change, what)
            _reduce_ipsets(change, what)

    def mark(self, namespace: Namespace) -> object:
        """Return how much there is of everything: IPVS and ipset do not number changes."""
        return counts(namespace), iptables.mark(namespace, self.backend or "nft", TABLES)

    def held(self, namespace: Namespace, rules: IpvsRules) -> IpvsRules | None:
        """Return the rules with what iptables-save still shows; None unless all else is there."""
        if _shown(namespace) != rendered(rules):
            return None
        left = iptables.held(namespace, self.backend or "nft", rules.iptables)
        return replace(rules, iptables=left)

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        """Attempts whose answers IPVS took for those of an older connection.

        Raises:
            CommandError: conntrack(8) failed.
        """
        ports = {each.sport for each in silent}
        nodes = [(flows_from(each, ports), ipvs.connections(each)) for each in namespaces]
        return confused_with(silent, nodes)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Forget UDP flows to endpoints that are gone."""
        forget_stale_flows(cluster, namespaces)


def install_servers(change: Change[IpvsRules]) -> None:
    """Install virtual servers and the addresses that lead to them, and nothing else.

    Raises:
        MissingFeature: the kernel has no IPVS, or no dummy devices.
        KernelError: the kernel refused a step.
    """
    _install_servers(change, table_changes(change.previous, change.rules))


def _kernel_version() -> tuple[int, ...]:
    major, minor, *_ = platform.release().split(".")
    return int(major), int("".join(filter(str.isdigit, minor)) or 0)


def _shown(namespace: Namespace) -> Shown:
    return shown(
        ipvs.virtual_servers(namespace),
        namespace.execute(["ipset", "save"]),
        devices.addresses(namespace, DUMMY),
    )


# --- iptables ---


def _iptables(change: Change[IpvsRules]) -> Change[Ruleset]:
    before = change.previous.iptables if change.previous else None
    return Change(change.namespace, change.rules.iptables, before)


# --- ipsets ---


def _extend_ipsets(change: Change[IpvsRules], what: TableChanges) -> None:
    """Add what is new; on a node without any, make the sets first."""
    requests: list[Request] = []
    if change.previous is None:
        for name, kind in SETS.items():
            requests += [ipset.create(change.namespace, name, kind.type), ipset.flush(name)]
    ipset.send(change.namespace, chain(requests, messages.additions(what)))


def _reduce_ipsets(change: Change[IpvsRules], what: TableChanges) -> None:
    """Delete what is no longer wanted."""
    ipset.send(change.namespace, messages.deletions(what))


# --- virtual servers and the addresses of kube-ipvs0 ---


def _install_servers(change: Change[IpvsRules], what: TableChanges) -> None:
    if change.previous is None:
        devices.make_dummy(change.namespace, DUMMY)
    devices.delete_addresses(change.namespace, DUMMY, what.gone_addresses)
    first = [ipvs.flush()] if change.previous is None else []
    ipvs.send(change.namespace, chain(first, messages.commands(what)))
    devices.add_addresses(change.namespace, DUMMY, what.new_addresses)
