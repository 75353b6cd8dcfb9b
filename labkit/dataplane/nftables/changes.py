"""One transaction that turns one ruleset into another, as ``nft -f`` reads it.

nft gives all of it to the kernel at once; packets meet the old rules or the new ones.

Source: nft(8).
"""

from __future__ import annotations

from collections.abc import Iterator

from labkit.dataplane.nftables.rules import Chain, NftRuleset
from labkit.dataplane.nftables.steps import (
    AddChain,
    AddElements,
    AddRules,
    AddSet,
    DeleteChain,
    DeleteElements,
    DeleteSet,
    FlushChain,
    Step,
    steps,
)


def transaction(before: NftRuleset, after: NftRuleset) -> str:
    """Return the transaction; empty text if nothing differs.

    New chains come before the elements that lead to them, and chains that are gone are deleted
    when nothing leads to them any more.
    """
    old, new = before.by_name(), after.by_name()
    lines = [f"delete table ip {name}" for name in old if name not in new]
    for name, table in new.items():
        if name not in old:
            lines.append(table.text().rstrip())
        else:
            lines += (line for step in steps(old[name], table) for line in _commands(name, step))
    return "".join(f"{line}\n" for line in lines)


def whole(rules: NftRuleset) -> str:
    """Return the transaction that makes every table, whatever is left of one of its name."""
    # To delete a table that is not there would be refused.
    lines = [f"{verb} table ip {name}" for name in rules.by_name() for verb in ("add", "delete")]
    return "".join(f"{line}\n" for line in [*lines, rules.nft_text().rstrip()])


def replacement(before: NftRuleset, after: NftRuleset) -> str:
    """Return the transaction that deletes every table and makes the new ones.

    Some kernels before 6.2 hold a chain for a moment after the last element that led to it was
    deleted, and refuse to delete it (EBUSY): kube-proxy waits for a second there. A whole table
    they give up at once. (6.1.176 no longer does so.)
    """
    lines = [f"delete table ip {name}" for name in before.by_name()]
    return "".join(f"{line}\n" for line in [*lines, after.nft_text().rstrip()])


def _commands(table: str, step: Step) -> Iterator[str]:  # noqa: C901 - a case for each step
    """A step as nft's commands, an element and a rule a line: what is refused is shown alone."""
    where = f"ip {table}"
    match step:
        case AddChain(chain):
            yield f"add chain {where} {_defined(chain)}"
        case FlushChain(name):
            yield f"flush chain {where} {name}"
        case DeleteChain(name):
            yield f"delete chain {where} {name}"
        case AddRules(chain_name, rules):
            yield from (f"add rule {where} {chain_name} {rule}" for rule in rules)
        case AddSet(new):
            statements = "".join(f"{line}; " for line in new.definition)
            yield f"add {new.kind} {where} {new.name} {{ {statements}}}"
        case DeleteSet(name):
            yield f"delete set {where} {name}"
        case AddElements(name, elements):
            for key, element in elements.items():
                yield f"add element {where} {name} {{ {element.text(key)} }}"
        case DeleteElements(name, keys):
            yield from (f"delete element {where} {name} {{ {key} }}" for key in keys)


def _defined(chain: Chain) -> str:
    statements = "".join(f"{line.rstrip(';')}; " for line in chain.definition())
    return f"{chain.name} {{ {statements}}}" if statements else chain.name
