"""Data planes with one mistake each: what the fuzzer must find."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, DataPlane, Renders, Silent
from labkit.dataplane.ipvs.rules import IpvsRules
from labkit.dataplane.ipvs.tables import Member, PortTables, VirtualServer
from labkit.dataplane.nftables.rules import Chain, Collection, NftRuleset
from labkit.dataplane.rules import Ruleset, Table
from labkit.kernel.netns import Namespace

R = TypeVar("R", Ruleset, NftRuleset, IpvsRules)
SERVERS = "virtual servers"
"""Stands for a chain: its rules are the lines of ``ipvsadm -Sn``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """What is done to rules before they are installed."""

    name: str
    chain: str
    """Pattern of the chains that it is about, or of sets and maps."""
    rule: str
    """Pattern of the part of a rule that is written wrongly."""
    becomes: str | None = None
    """What that part becomes; None for rules that are left out."""

    def __str__(self) -> str:
        return self.name

    def rules(self, chain: str, rules: Sequence[str]) -> tuple[str, ...]:
        """The rules of a chain with the mistake."""
        if not re.fullmatch(self.chain, chain):
            return tuple(rules)
        if self.becomes is None:
            return tuple(rule for rule in rules if not re.search(self.rule, rule))
        return tuple(re.sub(self.rule, self.becomes, rule) for rule in rules)


@dataclass(frozen=True, slots=True)
class Mistaken(Renders):
    """A data plane that renders with a mistake, and is right in all else."""

    plane: DataPlane[Any]
    mistake: Mistake

    @property
    def name(self) -> str:
        return self.plane.name

    @property
    def needs(self) -> tuple[str, ...]:
        return self.plane.needs

    def fitted(self, namespace: Namespace) -> Mistaken:
        return Mistaken(self.plane.fitted(namespace), self.mistake)

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        return self.plane.sysctls(cluster)

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: object = None,  # noqa: ARG002 - what was mutated is nothing to go on from
    ) -> Any:  # noqa: ANN401 - as the plane
        return mutated(self.plane.render(cluster, node), self.mistake)

    def apply(self, changes: Sequence[Change[Any]]) -> None:
        self.plane.apply(changes)

    def mark(self, namespace: Namespace) -> object:
        return self.plane.mark(namespace)

    def held(self, namespace: Namespace, rules: Any) -> Any:  # noqa: ANN401 - as the plane
        return self.plane.held(namespace, rules)

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        return self.plane.confused(silent, namespaces)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        self.plane.clean_up(cluster, namespaces)


def mutated(rules: R, mistake: Mistake) -> R:
    """The same rules with the mistake."""
    if isinstance(rules, Ruleset):
        return _of_iptables(rules, mistake.rules)
    if isinstance(rules, IpvsRules):
        return _of_ipvs(rules, mistake)
    return _of_nftables(rules, mistake)


def _of_iptables(
    rules: Ruleset, change: Callable[[str, Sequence[str]], tuple[str, ...]]
) -> Ruleset:
    return Ruleset(
        tuple(
            Table(table.name, {chain: change(chain, each) for chain, each in table.chains.items()})
            for table in rules.tables
        )
    )


def _of_nftables(rules: NftRuleset, mistake: Mistake) -> NftRuleset:
    def chain(each: Chain) -> Chain:
        return replace(each, rules=mistake.rules(each.name, each.rules))

    def collection(each: Collection) -> Collection:
        kept = mistake.rules(each.name, list(each.elements))
        return replace(each, elements={key: each.elements[key] for key in kept})

    return NftRuleset(
        tuple(
            replace(
                table,
                chains={name: chain(each) for name, each in table.chains.items()},
                collections={name: collection(each) for name, each in table.collections.items()},
            )
            for table in rules.tables
        )
    )


def _of_ipvs(rules: IpvsRules, mistake: Mistake) -> IpvsRules:
    def stays(member: Member) -> bool:
        name, entry = member
        return bool(mistake.rules(name, [str(entry)]))

    def server(each: VirtualServer) -> VirtualServer:
        first, *others = each.lines()
        held = bool(mistake.rules(SERVERS, [first])) or each.persistent_s is None
        kept = [bool(mistake.rules(SERVERS, [line])) for line in others]
        real = tuple(r for r, stays in zip(each.real_servers, kept, strict=True) if stays)
        return replace(each, persistent_s=each.persistent_s if held else None, real_servers=real)

    def part(each: PortTables) -> PortTables:
        return replace(
            each,
            members=tuple(filter(stays, each.members)),
            virtual_servers=tuple(map(server, each.virtual_servers)),
        )

    mistaken = {name: part(each) for name, each in rules.parts.by_port.items()}
    return replace(rules, iptables=_of_iptables(rules.iptables, mistake.rules)).with_parts(mistaken)
