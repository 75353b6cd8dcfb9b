"""Targets, expectations and counts in words, for verdicts and reports. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.lookup import LOCALHOST, node_addresses, own_node
from labkit.cluster.model import Cluster
from labkit.manifest.kinds import Expect, Target
from labkit.probe.table import Expected

PRESERVED: Final = "preserved"
"""A client address that is the source's own."""


def joined(words: Sequence[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    if len(words) < 2:  # noqa: PLR2004 - nothing to join
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def specified_words(expected: Expected) -> str:
    """Return what the specification says of a flow, and why, on one line."""
    by = f" by {', '.join(expected.backends)}" if expected.backends else ""
    sources = joined(expected.client_sources, "or")
    source = f", source {sources}" if sources else ""
    return f"{expected.outcome}{by}{source}: {expected.why}"


def counted(counts: Mapping[str, int]) -> str:
    """Return ``web-1 12, web-2 8``."""
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def target_words(to: Target, protocol: str) -> str:
    """Return a Check's ``to`` as ``node2:30080``; other protocols than TCP are named."""
    name = to.node or to.service or to.pod or to.address or ""
    port = "" if to.port is None else f":{to.port}"
    suffix = "" if protocol == "TCP" else f"/{protocol}"
    via = "" if to.via == "ClusterIP" or to.service is None else f" via {to.via}"
    return f"{name}{port}{suffix}{via}"


def expectation_words(expect: Expect) -> str:
    """Return a Check's ``expect`` on one line: ``connected, by web-1, source node2``."""
    return ", ".join(_expectations(expect)) or "nothing in particular"


def _expectations(expect: Expect) -> Iterator[str]:
    if expect.conformant:
        yield "as specified"
    if expect.outcome is not None:
        yield expect.outcome
    if expect.backends is not None:
        yield f"by {joined(expect.backends)}" if expect.backends else "by no pod"
    if expect.client_source is not None:
        given = expect.client_source
        yield f"source {given if isinstance(given, str) else joined(given, 'or')}"
    if expect.same_backend is not None:
        yield "always the same pod" if expect.same_backend else "not always the same pod"
    if expect.balance is not None:
        yield "equal shares"
    yield from _wire_expectations(expect)


def _wire_expectations(expect: Expect) -> Iterator[str]:
    if expect.reply_from is not None:
        yield f"reply from {expect.reply_from}"
    if expect.source_answers is not None:
        yield f"source answers {expect.source_answers}"
    if expect.http_status is not None:
        yield f"HTTP {expect.http_status}"


def words_by_address(
    seen: Iterable[str], words: Sequence[str], known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the word of each client address seen, as far as it can be told; the rest is left out.

    Args:
        seen: the addresses.
        words: every word that one of them has, such as ``preserved`` or ``node1``.
        known: words by address from elsewhere; counts only where the word is one of ``words``.
    """
    if len(words) == 1:
        return dict.fromkeys(seen, words[0])
    told = {address: (known or {}).get(address, address) for address in seen}
    found = {address: word for address, word in told.items() if word in words}
    rest = [address for address in told if address not in found]
    left = [word for word in words if word not in found.values()]
    if len(rest) == len(left) == 1:
        # Every word has an address, so the last word belongs to the last address.
        found[rest[0]] = left[0]
    return found


def source_words(cluster: Cluster, source: str, seen: IPv4Address) -> str:
    """Return what a client address that a pod saw is, for the flow table.

    `PRESERVED` for any address of the source's own; else the name of the node that has it, by any
    of its addresses; else the address.
    """
    if seen in _own_addresses(cluster, source):
        return PRESERVED
    for node in cluster.nodes:
        if seen in node_addresses(cluster, node):
            return node.name
    return str(seen)


def _own_addresses(cluster: Cluster, source: str) -> tuple[IPv4Address, ...]:
    node = own_node(cluster, source)
    if node is not None:
        return (*node_addresses(cluster, cluster.node_by_name[node]), LOCALHOST)
    host = cluster.client_by_name.get(source) or cluster.pod_by_name.get(source)
    return (host.address, LOCALHOST) if host else ()
