"""Reads the rules that packets met, as the node's own tools print them.

Source: iptables-save(8); nft(8), whose ``-a`` shows the handle behind each rule.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from labkit.dataplane.iptables.held import saved_tables
from labkit.errors import CommandError
from labkit.kernel.netns import Namespace
from labkit.kernel.nft_trace import rule_handles
from labkit.kernel.rule_events import RuleEvent
from labkit.trace.recording import Place, RuleTexts

IPTABLES_TABLES: Final = frozenset({"nat", "filter", "mangle", "raw", "security"})
POLICY: Final = re.compile(r"^:(\S+) (ACCEPT|DROP)")
HANDLE: Final = re.compile(r"^(.*) # handle (\d+)$")


def nft_texts(namespace: Namespace, events: Iterable[RuleEvent]) -> RuleTexts:
    """Return the text of each rule that events tell of; of tables that iptables-nft keeps too.

    A rule that cannot be read has none.
    """
    met: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.rule:
            met[event.table].add(event.chain)
    found: dict[Place, str] = {}
    saved = ""
    if not IPTABLES_TABLES.isdisjoint(met):
        saved = _output(namespace, "iptables-nft-save")
    for table, chains in met.items():
        if table in IPTABLES_TABLES and saved:
            rules = saved_tables(saved).get(table, {})
            for chain in chains:
                handles = rule_handles(namespace, table, chain)
                texts = rules.get(chain, [])
                if len(handles) == len(texts):
                    found |= {
                        Place(table, chain, handle): f"-A {chain} {text}"
                        for handle, text in zip(handles, texts, strict=True)
                    }
        else:
            words = table.split() if " " in table else ["ip", table]
            found |= _listed(table, _output(namespace, "nft", "-a", "list", "table", *words))
    return found


def legacy_texts(namespace: Namespace) -> RuleTexts:
    """Return the text of every rule of the legacy iptables, and of every policy that drops."""
    saved = _output(namespace, "iptables-legacy-save")
    found: dict[Place, str] = {}
    for table, chains in saved_tables(saved).items():
        for chain, texts in chains.items():
            for number, text in enumerate(texts, start=1):
                found[Place(table, chain, number)] = f"-A {chain} {text}"
    table = ""
    for line in saved.splitlines():
        table = line[1:] if line.startswith("*") else table
        policy = POLICY.match(line)
        if policy is not None and policy[2] == "DROP":
            found[Place(table, policy[1], 0)] = f"-P {policy[1]} DROP"
    return found


def _listed(table: str, text: str) -> RuleTexts:
    """Rules by their handles, of what nft prints of a table."""
    found: dict[Place, str] = {}
    chain = ""
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("chain "):
            chain = words.removeprefix("chain ").partition(" {")[0].strip('"')
        elif (rule := HANDLE.match(words)) is not None and chain and not words.endswith("{"):
            found[Place(table, chain, int(rule[2]))] = rule[1]
    return found


def _output(namespace: Namespace, *command: str) -> str:
    try:
        return namespace.execute(list(command))
    except CommandError:
        return ""
