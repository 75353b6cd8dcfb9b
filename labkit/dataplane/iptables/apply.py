"""Installs iptables rules: one iptables-restore per node, all nodes at the same time.

Source: iptables-restore(8); kubernetes v1.36 pkg/proxy/iptables/proxier.go, NewProxier, for the
counters that are made first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, KeepsFlowsApart, Renders
from labkit.dataplane.conntrack import conntrack_sysctls, forget_stale_flows
from labkit.dataplane.iptables.held import still_held
from labkit.dataplane.iptables.pieces import emptied, in_pieces
from labkit.dataplane.iptables.render import INVALID_COUNTER, render, render_cni_only
from labkit.dataplane.iptables.service import LOCALHOST_COUNTER
from labkit.dataplane.node_addresses import serves_localhost
from labkit.dataplane.rules import BUILT_IN, Ruleset
from labkit.errors import CommandError, KernelError, MissingFeature
from labkit.kernel import netfilter
from labkit.kernel.netns import Namespace
from labkit.kernel.together import Tool, run_together
from labkit.kernel.tools import which

Backend = Literal["nft", "legacy"]
COUNTERS: Final = (INVALID_COUNTER, LOCALHOST_COUNTER)
NO_FLUSH: Final = "--noflush"
TOO_LONG: Final = "Message too long"
LINE_NUMBER: Final = re.compile(r"line:? (\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class IptablesPlane(KeepsFlowsApart, Renders):
    """kube-proxy's iptables mode."""

    name: str = "iptables"
    backend: Backend | None = None
    """None until it is fitted to a kernel."""
    nfacct: bool = True
    needs: tuple[str, ...] = ()

    def fitted(self, namespace: Namespace) -> IptablesPlane:
        """Choose the backend that the kernel has, and leave nfacct out where it has not got it.

        Raises:
            MissingFeature: there is no iptables at all.
        """
        backend = self.backend or choose_backend(namespace)
        try:
            netfilter.ensure_nfacct(namespace, COUNTERS)
        except KernelError:
            return replace(self, backend=backend, nfacct=False)
        return replace(self, backend=backend)

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """NodePorts on localhost need packets from 127.0.0.1 to be routed."""
        conntrack = conntrack_sysctls(cluster.kube_proxy)
        if not serves_localhost(cluster.kube_proxy):
            return conntrack
        return {"net/ipv4/conf/all/route_localnet": "1", **conntrack}

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: Ruleset | None = None,
    ) -> Ruleset:
        """Return all tables of ``node``."""
        return render(cluster, node, previous, nfacct=self.nfacct)

    def apply(self, changes: Sequence[Change[Ruleset]]) -> None:
        """Install rules: whole tables the first time, afterwards the chains that changed.

        Raises:
            CommandError: iptables-restore refused them; the table of the line has what it had.
        """
        if self.nfacct:
            for change in changes:
                if change.previous is None:
                    netfilter.ensure_nfacct(change.namespace, COUNTERS)
        restore(self.backend or "nft", changes)

    def mark(self, namespace: Namespace) -> object:
        """Return what iptables shows of a change."""
        return mark(namespace, self.backend or "nft", tuple(BUILT_IN))

    def held(self, namespace: Namespace, rules: Ruleset) -> Ruleset:
        """Return what iptables-save still shows of the rules."""
        return held(namespace, self.backend or "nft", rules)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Forget UDP flows to endpoints that are gone."""
        forget_stale_flows(cluster, namespaces)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlane(KeepsFlowsApart, Renders):
    """No data plane: nodes masquerade their pods, as the CNI does, and know no Services."""

    name: str = "none"
    backend: Backend | None = None
    needs: tuple[str, ...] = ()

    def fitted(self, namespace: Namespace) -> NoPlane:
        """Choose the backend that the kernel has."""
        return replace(self, backend=self.backend or choose_backend(namespace))

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:  # noqa: ARG002 - the interface's
        """Nothing."""
        return {}

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: Ruleset | None = None,  # noqa: ARG002 - the interface's
    ) -> Ruleset:
        """Return the CNI's rules."""
        return render_cni_only(cluster, node)

    def apply(self, changes: Sequence[Change[Ruleset]]) -> None:
        """Install the CNI's rules."""
        restore(self.backend or "nft", changes)

    def mark(self, namespace: Namespace) -> object:
        """Return what iptables shows of a change."""
        return mark(namespace, self.backend or "nft", ("nat",))

    def held(self, namespace: Namespace, rules: Ruleset) -> Ruleset:
        """Return what iptables-save still shows of the rules."""
        return held(namespace, self.backend or "nft", rules)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Nothing: no flow was ever translated."""


def mark(namespace: Namespace, backend: Backend, tables: Sequence[str]) -> object:
    """Return something that is another once anybody has changed the rules.

    nf_tables numbers its changes; the legacy iptables tells the size of a table.
    """
    if backend == "nft":
        return netfilter.generation(namespace)
    return netfilter.legacy_sizes(namespace, tables)


def held(namespace: Namespace, backend: Backend, rules: Ruleset) -> Ruleset:
    """Return what iptables-save still shows of ``rules``.

    Raises:
        CommandError: iptables-save failed.
    """
    return still_held(rules, namespace.execute([f"iptables-{backend}-save"]))


def choose_backend(namespace: Namespace) -> Backend:
    """Return nft where the kernel has nf_tables and the tool is there, else legacy.

    Raises:
        MissingFeature: neither can be used.
    """
    if which("iptables-nft-restore") and netfilter.can_use_iptables_nft(namespace):
        return "nft"
    if which("iptables-legacy-restore"):
        return "legacy"
    raise MissingFeature(
        "iptables", found="iptables-restore is not on PATH", remedy="apt-get install iptables"
    )


def restore(backend: Backend, changes: Sequence[Change[Ruleset]]) -> None:
    """Give every node's text to its own iptables-restore; all run at the same time.

    Raises:
        CommandError: the first refusal, with the line of the input that it is about. Tables that
            were committed before that line stay; installing the same rules again mends the rest.
    """
    tools = [_tool(backend, change) for change in changes]
    failures = run_together([tool for tool in tools if tool.stdin])
    too_long = {error.where for error in failures if TOO_LONG in error.stderr}
    failures = [error for error in failures if error.where not in too_long]
    failures += _in_pieces([tool for tool in tools if tool.namespace.name in too_long])
    if failures:
        raise with_line(failures[0])


def _in_pieces(tools: Sequence[Tool]) -> list[CommandError]:
    """Run tools once more, with transactions that an ordinary user's sockets take."""
    whole = [tool for tool in tools if NO_FLUSH not in tool.argv]
    failures = run_together([tool._replace(stdin=emptied(tool.stdin)) for tool in whole])
    return failures or run_together(
        [
            tool._replace(argv=(tool.argv[0], NO_FLUSH), stdin=in_pieces(tool.stdin))
            for tool in tools
        ]
    )


def _tool(backend: Backend, change: Change[Ruleset]) -> Tool:
    argv = (f"iptables-{backend}-restore",)
    if change.previous is None:
        # The tables are the lab's own. With --noflush, new chains would cost quadratic time.
        return Tool(change.namespace, argv, change.rules.text())
    update = change.rules.changes_from(change.previous)
    return Tool(change.namespace, (*argv, NO_FLUSH), update)


def with_line(error: CommandError) -> CommandError:
    """The same error with the line of the input that iptables-restore names by its number only."""
    found = LINE_NUMBER.search(error.stderr)
    lines = error.stdin.splitlines()
    if not found or not 0 < int(found[1]) <= len(lines):
        return error
    return CommandError(
        error.argv,
        where=error.where,
        returncode=error.returncode,
        stderr=f"{error.stderr}\n  line {found[1]}: {lines[int(found[1]) - 1]}",
        stdin=error.stdin,
    )
