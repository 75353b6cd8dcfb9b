"""Installs IPVS mode's tables: ipsets, iptables, virtual servers and addresses, in that order.

What a packet needs is there before what leads it there: an address of kube-ipvs0 comes last and
goes first.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, NewProxier for the sysctls.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, Renders, Silent
from labkit.dataplane.conntrack import conntrack_sysctls, forget_stale_flows
from labkit.dataplane.iptables import apply as iptables
from labkit.dataplane.iptables.apply import Backend, choose_backend, restore
from labkit.dataplane.ipvs.confusion import confused_with
from labkit.dataplane.ipvs.held import Shown, rendered, servers, shown
from labkit.dataplane.ipvs.render import render
from labkit.dataplane.ipvs.service import IP_PROTOCOL
from labkit.dataplane.ipvs.tables import DUMMY, Address, Entry, IPSet, IpvsRules, VirtualServer
from labkit.dataplane.rules import Ruleset
from labkit.kernel import devices, ipset, ipvs
from labkit.kernel.conntrack import flows_from
from labkit.kernel.ipset import Element
from labkit.kernel.ipvs import Command, Server
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
        previous: IpvsRules | None = None,  # noqa: ARG002 - the interface's
    ) -> IpvsRules:
        """Return everything that ``node`` holds."""
        return render(cluster, node)

    def apply(self, changes: Sequence[Change[IpvsRules]]) -> None:
        """Install rules: everything anew the first time, afterwards what differs.

        Raises:
            KernelError: the kernel refused a step; what it had done by then stays.
            CommandError: iptables-restore refused its part.
        """
        for change in changes:
            _extend_ipsets(change)
        tables = [_iptables(change) for change in changes]
        restore(self.backend or "nft", [each for each in tables if each.rules != each.previous])
        for change in changes:
            install_servers(change)
            _reduce_ipsets(change)

    def mark(self, namespace: Namespace) -> object:
        """Return all that there is, but for iptables: IPVS and ipset do not number changes."""
        return (
            servers(ipvs.virtual_servers(namespace)),
            ipset.contents(namespace),
            devices.every_address(namespace),
            iptables.mark(namespace, self.backend or "nft", TABLES),
        )

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
    _release_addresses(change)
    ipvs.send(change.namespace, _commands(change))
    _bind_addresses(change)


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


def _extend_ipsets(change: Change[IpvsRules]) -> None:
    """Add what is new; on a node without any, make the sets first."""
    requests: list[Request] = []
    if change.previous is None:
        for each in change.rules.ipsets:
            requests += [ipset.create(change.namespace, each.name, each.type)]
            requests += [ipset.flush(each.name)]
    for each in change.rules.ipsets:
        new = [entry for entry in each.entries if entry not in _entries(change.previous, each)]
        requests += [ipset.add(each.name, _element(entry)) for entry in new]
    ipset.send(change.namespace, requests)


def _reduce_ipsets(change: Change[IpvsRules]) -> None:
    """Delete what is no longer wanted."""
    if change.previous is None:
        return
    requests = [
        ipset.delete(each.name, _element(entry))
        for each in change.previous.ipsets
        for entry in each.entries
        if entry not in _entries(change.rules, each)
    ]
    ipset.send(change.namespace, requests)


def _entries(rules: IpvsRules | None, wanted: IPSet) -> frozenset[Entry]:
    found = (each for each in (rules.ipsets if rules else ()) if each.name == wanted.name)
    return frozenset(entry for each in found for entry in each.entries)


def _element(entry: Entry) -> Element:
    return Element(
        ip=entry.ip,
        protocol=IP_PROTOCOL[entry.protocol] if entry.protocol else None,
        port=entry.port,
        second=entry.second,
    )


# --- virtual servers ---


def _commands(change: Change[IpvsRules]) -> list[Command]:
    """What turns the virtual servers of before into those that are wanted."""
    if change.previous is None:
        added = [each for server in change.rules.virtual_servers for each in _add(server)]
        return [ipvs.flush(), *added]
    before = {server.key: server for server in change.previous.virtual_servers}
    after = {server.key: server for server in change.rules.virtual_servers}
    commands = [ipvs.delete_server(_server(old)) for key, old in before.items() if key not in after]
    for key, server in after.items():
        old = before.get(key)
        commands += _add(server) if old is None else _change(old, server)
    return commands


def _add(server: VirtualServer) -> Iterable[Command]:
    yield ipvs.add_server(
        _server(server),
        scheduler=server.scheduler,
        persistent_s=server.persistent_s,
        hash_ports=server.hash_ports,
    )
    yield from _add_real(server, server.real_servers)


def _change(old: VirtualServer, new: VirtualServer) -> Iterable[Command]:
    if replace(old, real_servers=()) != replace(new, real_servers=()):
        yield ipvs.change_server(
            _server(new),
            scheduler=new.scheduler,
            persistent_s=new.persistent_s,
            hash_ports=new.hash_ports,
        )
    kept = set(old.real_servers)
    yield from _add_real(new, [each for each in new.real_servers if each not in kept])
    wanted = set(new.real_servers)
    for each in old.real_servers:
        if each not in wanted:
            yield ipvs.delete_real_server(_server(new), each.ip, each.port)


def _add_real(server: VirtualServer, real: Iterable[Address]) -> Iterable[Command]:
    for each in real:
        yield ipvs.add_real_server(_server(server), each.ip, each.port)


def _server(server: VirtualServer) -> Server:
    return Server(
        protocol=IP_PROTOCOL[server.protocol], ip=server.address.ip, port=server.address.port
    )


# --- kube-ipvs0 ---


def _release_addresses(change: Change[IpvsRules]) -> None:
    if change.previous is None:
        devices.make_dummy(change.namespace, DUMMY)
        return
    gone = set(change.previous.addresses) - set(change.rules.addresses)
    devices.delete_addresses(change.namespace, DUMMY, sorted(gone))


def _bind_addresses(change: Change[IpvsRules]) -> None:
    known = change.previous.addresses if change.previous else ()
    devices.add_addresses(change.namespace, DUMMY, sorted(set(change.rules.addresses) - set(known)))
