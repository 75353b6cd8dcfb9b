"""What of rendered rules iptables-save still shows. Pure.

Source: iptables-save(8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labkit.dataplane.rules import BUILT_IN, Ruleset, Table

Chains = dict[str, list[str]]


def still_held(rules: Ruleset, saved: str) -> Ruleset:
    """Return what is still there of ``rules``: a ruleset to go on from.

    Of a chain that everybody shares, others' rules do not count; of kube-proxy's own they do.
    """
    found = saved_tables(saved)
    tables = tuple(_held(table, found.get(table.name, {})) for table in rules.tables)
    return rules if tables == rules.tables else Ruleset(tables)


def _held(wanted: Table, found: Mapping[str, Sequence[str]]) -> Table:
    shared = BUILT_IN[wanted.name]
    return Table(
        wanted.name,
        {
            chain: tuple(rule for rule in found[chain] if chain not in shared or rule in own)
            for chain, own in wanted.chains.items()
            if chain in found
        },
    )


def saved_tables(saved: str) -> Mapping[str, Chains]:
    """Return the rules of each chain of each table, without their ``-A CHAIN``."""
    tables: dict[str, Chains] = {}
    chains: Chains = {}
    # The legacy one writes quotes of comments with a backslash.
    for line in saved.replace("\\'", "'").splitlines():
        if line.startswith("*"):
            chains = tables.setdefault(line[1:], {})
        elif line.startswith(":"):
            chains[line[1:].partition(" ")[0]] = []
        elif line.startswith("-A "):
            chain, _, rule = line.removeprefix("-A ").partition(" ")
            chains[chain].append(rule)
    return tables
