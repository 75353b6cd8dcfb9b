"""Changes of Service ports as transactions of their own, without nft's look at the whole table.

Pure. Source: kubernetes v1.36 pkg/proxy/nftables/proxier.go, syncProxyRules, whose partial sync
skips the ports that did not change, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final, NamedTuple, TypeVar

from labkit.dataplane.nftables import names
from labkit.dataplane.nftables.assemble import UnknownStatement, requests, transactions
from labkit.dataplane.nftables.rules import Chain, Collection, Element, NftRuleset, NftTable
from labkit.dataplane.nftables.rules import PortObjects as Port
from labkit.dataplane.nftables.steps import AddElements, AddRules, Step, steps
from labkit.dataplane.parts import Changed, changed_parts
from labkit.kernel.netlink import Request

T = TypeVar("T")

MANY: Final = 200
"""Service ports from which on they are installed in transactions of their own."""
TRANSACTION_BYTES: Final = 1 << 17
"""The cost of a transaction grows faster than its length; and in a user namespace a socket takes
twice net.core.wmem_max at most, which is 208 KiB where nobody has changed it."""
ELEMENTS: Final = 100
"""That are never in two transactions: few enough for any to fit."""
NOTHING: Final[Mapping[str, Element]] = {}
NO_COUNTS: Final[Mapping[str, int]] = {}


class Staged(NamedTuple):
    """A large ruleset, to be installed in this order: no packet comes by before the end."""

    frame: NftRuleset
    """For nft: every table; kube-proxy's base chains are there, and have no rules."""
    transactions: Iterable[Sequence[Request]]
    """They add the Service ports, and at last the rules of the base chains that lead to them."""


class Key(NamedTuple):
    """A key of a set or map."""

    collection: str
    key: str


def changed_ports(before: NftRuleset, after: NftRuleset) -> Sequence[Request] | None:
    """Return one transaction of what differs; None if that is a matter for nft."""
    if before.frame != after.frame:
        return None
    try:
        return requests(names.TABLE, steps(*_narrowed(before, after)))
    except UnknownStatement:
        return None


def staged(rules: NftRuleset) -> Staged | None:
    """Return the stages of a large ruleset; None for one that nft takes as a whole."""
    if len(rules.services.by_port) < MANY:
        return None
    first, *others = rules.frame
    hooks = [chain for chain in first.chains.values() if chain.hook]
    silent = {chain.name: replace(chain, rules=()) for chain in hooks}
    frame = replace(first, chains={**first.chains, **silent})
    try:
        stages = [
            *transactions(names.TABLE, _parts(rules), size_bytes=TRANSACTION_BYTES),
            requests(names.TABLE, [AddRules(chain.name, chain.rules) for chain in hooks]),
        ]
    except UnknownStatement:
        return None
    return Staged(NftRuleset((frame, *others)), stages)


def _parts(rules: NftRuleset) -> Iterator[Iterable[Step]]:
    """The chains of the ports, with the sets that these fill themselves; then what leads there."""
    nothing = NftTable(name=names.TABLE)
    for port in rules.services.by_port.values():
        yield steps(nothing, _own([port]))
    for name, held in rules.elements().items():
        for some in _chunks(held.items(), ELEMENTS):
            yield [AddElements(name, dict(some))]


def _narrowed(before: NftRuleset, after: NftRuleset) -> tuple[NftTable, NftTable]:
    """The tables of both, without all that is the same in them."""
    changes = changed_parts(before.services, after.services)
    touched = {key for change in changes for key in _touched(change)}
    old = [each.before for each in changes if each.before is not None]
    new = [each.after for each in changes if each.after is not None]
    return (
        _with_elements(_own(old), before, touched, old),
        _with_elements(_own(new), after, touched, new),
    )


def _own(ports: Iterable[Port]) -> NftTable:
    """The chains of ports, and their sets, whose names no other port has."""
    chains: dict[str, Chain] = {}
    sets: dict[str, Collection] = {}
    for port in ports:
        chains |= port.chains
        sets |= port.affinity
    return NftTable(name=names.TABLE, chains=chains, collections=sets)


def _touched(change: Changed[Port]) -> Iterator[Key]:
    """Keys for which a port has another element than before, or none."""
    before = change.before.elements if change.before else {}
    after = change.after.elements if change.after else {}
    for name in {*before, *after}:
        old, new = before.get(name, NOTHING), after.get(name, NOTHING)
        yield from (Key(name, key) for key in {*old, *new} if old.get(key) != new.get(key))


def _with_elements(
    table: NftTable, rules: NftRuleset, touched: Iterable[Key], changed: Sequence[Port]
) -> NftTable:
    """A table with what all ports together have for some keys."""
    elements: defaultdict[str, dict[str, Element]] = defaultdict(dict)
    for key in touched:
        elements[key.collection]
        found = _element(rules, key, changed)
        if found is not None:
            elements[key.collection][key.key] = found
    collections = {
        name: Collection(name=name, definition=(), elements=held) for name, held in elements.items()
    }
    return replace(table, collections={**table.collections, **collections})


def _element(rules: NftRuleset, key: Key, changed: Sequence[Port]) -> Element | None:
    """What ports have for a key; most often one of the changed ones has it, and no other."""
    held = [found for port in changed if (found := _of(port, key)) is not None]
    count = rules.holders.get(key.collection, NO_COUNTS).get(key.key, 0)
    if count == len(held) <= 1:
        return held[0] if held else None
    if rules.frame[0].collections[key.collection].kind == "set":
        return Element()
    # Where ports disagree, the last one's is installed.
    every = (_of(port, key) for port in rules.services.ordered())
    return [found for found in every if found is not None][-1]


def _of(port: Port, key: Key) -> Element | None:
    return port.elements.get(key.collection, NOTHING).get(key.key)


def _chunks(items: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
