"""A small model of iptables-restore: what a table holds after it has read a text.

It fails where iptables-restore does: a rule in a chain that is not there, a chain deleted while it
is full or while a rule still jumps to it. The lab's tests compare the same texts with the kernel.

Source: iptables-restore(8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from labkit.dataplane.rules import BUILT_IN, Ruleset

Tables = dict[str, dict[str, list[str]]]


def saved(rules: Ruleset) -> Tables:
    """What the kernel holds after a full install."""
    return {
        table.name: {chain: list(lines) for chain, lines in table.chains.items()}
        for table in rules.tables
    }


def restored(  # noqa: C901 - a case for each command
    before: Mapping[str, Mapping[str, list[str]]], text: str, *, flush: bool
) -> Tables:
    """What tables hold after ``text``; without ``flush`` chains that it does not name stay."""
    tables = {
        name: {chain: list(rules) for chain, rules in chains.items()}
        for name, chains in before.items()
    }
    chains: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        match line.split(" ", 2):
            case [word] if word.startswith("*"):
                name = word[1:]
                chains = {} if flush else tables.get(name, {})
                chains = {**{built_in: [] for built_in in BUILT_IN[name]}, **chains}
            case [word, *_] if word.startswith(":"):
                chains[word[1:]] = []
            case ["-F", chain]:
                chains[chain].clear()
            case ["-A", chain, rule]:
                chains[chain].append(rule)
            case ["-D", chain, number]:
                del chains[chain][int(number) - 1]
            case ["-I", chain, rest]:
                number, _, rule = rest.partition(" ")
                assert int(number) <= len(chains[chain]) + 1, f"{chain} has no place {number}"
                chains[chain].insert(int(number) - 1, rule)
            case ["-X", chain]:
                assert chains.pop(chain) == [], f"{chain} is deleted while it has rules"
            case ["COMMIT"]:
                _assert_whole(chains)
                tables[name] = chains
            case _:
                raise AssertionError(f"iptables-restore cannot read {line!r}")
    return tables


def _assert_whole(chains: Mapping[str, list[str]]) -> None:
    for rules in chains.values():
        for rule in rules:
            for target in re.findall(r"-j (KUBE-\S+)", rule):
                assert target in chains, f"{target} is gone but jumped to"
