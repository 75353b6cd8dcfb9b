"""Installs nftables rules: one ``nft -f`` per node, all nodes at the same time.

Service ports that come, go or change later, and very many of them at once, are netlink messages of
labkit's own: see `labkit.kernel.nf_tables` for why.

Source: nft(8).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, KeepsFlowsApart, Renders
from labkit.dataplane.conntrack import conntrack_sysctls, forget_stale_flows
from labkit.dataplane.iptables.apply import choose_backend, restore
from labkit.dataplane.nftables.changes import replacement, transaction, whole
from labkit.dataplane.nftables.held import is_held
from labkit.dataplane.nftables.ports import Staged, changed_ports, staged
from labkit.dataplane.nftables.render import render
from labkit.dataplane.nftables.rules import NftRuleset
from labkit.dataplane.rules import Ruleset, table
from labkit.errors import CommandError, KernelError, MissingFeature
from labkit.kernel import netfilter, nf_tables
from labkit.kernel.netns import Namespace
from labkit.kernel.together import Tool, run_together
from labkit.kernel.tools import which

NFT: Final = ("nft", "-f", "-")
BUSY: Final = "Device or resource busy"
FOR_NFT: Final = (errno.EBUSY, errno.EEXIST)
"""What nft gets round: a chain that an old kernel holds on to, a name that another set has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NftablesPlane(KeepsFlowsApart, Renders):
    """kube-proxy's nftables mode."""

    name: str = "nftables"
    needs: tuple[str, ...] = ("nftables",)

    def fitted(self, namespace: Namespace) -> NftablesPlane:  # noqa: ARG002 - the interface's
        """Return the same; there is nothing to choose.

        What the kernel lacks, the first transaction tells: `needs` is then really tried.

        Raises:
            MissingFeature: there is no nft.
        """
        if which("nft") is None:
            remedy = "apt-get install nftables"
            raise MissingFeature("nftables", found="nft is not on PATH", remedy=remedy)
        return self

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """Nothing for NodePorts on localhost, which are not served."""
        return conntrack_sysctls(cluster.kube_proxy)

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: NftRuleset | None = None,
    ) -> NftRuleset:
        """Return all tables of ``node``."""
        return render(cluster, node, previous)

    def apply(self, changes: Sequence[Change[NftRuleset]]) -> None:
        """Install rules: whole tables the first time, afterwards what differs.

        Every node that refuses has what it had; or, the first time, nothing.

        Raises:
            CommandError: nft refused them.
            KernelError: the kernel refused a change of Service ports.
        """
        left = [change for change in changes if not _change_ports(change)]
        stages = {change.namespace: staged(change.rules) for change in left if not change.previous}
        refused = _run({change.namespace: _text(change, stages) for change in left})
        # What an old kernel still holds on to, it gives up together with its table.
        again = {
            change.namespace: replacement(change.previous, change.rules)
            for change in left
            if change.previous is not None and _is_busy(refused.get(change.namespace.name))
        }
        mended = {namespace.name for namespace in again}
        failed = [error for where, error in refused.items() if where not in mended]
        for error in (*failed, *_run(again).values()):
            raise error
        whole_after_all = {
            change.namespace: whole(change.rules)
            for change in left
            if (stage := stages.get(change.namespace)) and not _add_ports(change.namespace, stage)
        }
        for error in _run(whole_after_all).values():
            raise error
        _restore_iptables(changes)

    def mark(self, namespace: Namespace) -> object:
        """Return the number that nf_tables gives its changes."""
        return netfilter.generation(namespace)

    def held(self, namespace: Namespace, rules: NftRuleset) -> NftRuleset | None:
        """Return the rules if nft lists all of them, else None: a table is installed whole.

        What iptables keeps beside them is not looked at, but installed again.
        """
        listed = namespace.execute(["nft", "list", "ruleset"])
        return replace(rules, iptables=Ruleset()) if is_held(rules, listed) else None

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Forget UDP flows to endpoints that are gone."""
        forget_stale_flows(cluster, namespaces)


def _change_ports(change: Change[NftRuleset]) -> bool:
    """Make a change that is one of Service ports alone; return whether it was."""
    if change.previous is None:
        return False
    requests = changed_ports(change.previous, change.rules)
    if requests is None:
        return False
    try:
        nf_tables.commit(change.namespace, requests)
    except KernelError as error:
        if error.errno in FOR_NFT:
            return False
        raise
    return True


def _add_ports(namespace: Namespace, stage: Staged) -> bool:
    """Add the Service ports to tables that are there; what fails leaves no half of them.

    Returns whether it is done; if not, nft can do it.
    """
    try:
        for requests in stage.transactions:
            nf_tables.commit(namespace, requests)
    except KernelError as error:
        for table in stage.frame.by_name():
            nf_tables.commit(namespace, [nf_tables.Table(table).delete()])
        if error.errno in FOR_NFT:
            return False
        raise
    return True


def _text(change: Change[NftRuleset], stages: Mapping[Namespace, Staged | None]) -> str:
    if change.previous is not None:
        return transaction(change.previous, change.rules)
    stage = stages[change.namespace]
    return whole(stage.frame if stage else change.rules)


def _restore_iptables(changes: Sequence[Change[NftRuleset]]) -> None:
    """Install what is there beside nft's own tables, and empty what is there no more."""
    wanted: list[Change[Ruleset]] = []
    for change in changes:
        before = change.previous.iptables if change.previous else Ruleset()
        after = change.rules.iptables
        if after != before:
            names = {each.name for each in after.tables}
            gone = [table(each.name, {}) for each in before.tables if each.name not in names]
            wanted.append(Change(change.namespace, Ruleset((*after.tables, *gone)), before))
    if wanted:
        restore(choose_backend(wanted[0].namespace), wanted)


def _is_busy(error: CommandError | None) -> bool:
    return error is not None and BUSY in error.stderr


def _run(texts: Mapping[Namespace, str]) -> Mapping[str, CommandError]:
    """Give every node's text to its own nft; return what failed, by the name of the node.

    nft's message shows the line that it is about.
    """
    tools = [Tool(namespace, NFT, text) for namespace, text in texts.items() if text]
    return {error.where: error for error in run_together(tools)}
