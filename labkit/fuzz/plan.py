"""Which blocks a run is made of, and what all of them have shown together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Final

from labkit.fuzz.block import CLUSTERS_A_BLOCK, Block, BlockResult
from labkit.fuzz.clusters import KUBE_PROXY
from labkit.probe.findings import Failure, Findings
from labkit.probe.table import Kernel

APART: Final = 1_000_003
"""Seeds of runs are near each other; those of their blocks must not be the same."""
SPECS: Final[Sequence[Mapping[str, Any]]] = ({}, {}, {}, {"network": {"podNetwork": "vxlan"}})
"""What Labs say of their hosts, in turn."""


def blocks_of(block: Block, clusters: int | None) -> Iterator[Block]:
    """Yield the blocks of a run, each like ``block`` with a seed of its own.

    A run with more clusters begins with those of a run with fewer; with None it does not end.
    """
    for index in count():
        start = index * CLUSTERS_A_BLOCK
        if clusters is not None and start >= clusters:
            return
        yield replace(
            block,
            seed=block.seed * APART + index,
            count=CLUSTERS_A_BLOCK if clusters is None else min(CLUSTERS_A_BLOCK, clusters - start),
            spec=_spec(block, index),
        )


def _spec(block: Block, index: int) -> Mapping[str, Any]:
    """What the Lab of a block says; with its configuration, if that stays for all its clusters."""
    hosts = SPECS[index % len(SPECS)]
    if not block.is_hosted:
        return hosts
    return {**hosts, "kubeProxy": KUBE_PROXY[index % len(KUBE_PROXY)]}


def together(
    block: Block, results: Sequence[BlockResult], *, here: Kernel, elapsed_s: float
) -> Findings:
    """Return what blocks have shown, whatever the order that they ended in.

    Args:
        block: what all of them are like.
        results: what they have shown.
        here: this machine's kernel, which counts if no block was done.
        elapsed_s: how long it took, in seconds.
    """
    asked: Counter[tuple[str, str]] = Counter()
    for result in results:
        asked.update(result.asked)
    return Findings(
        seed=block.seed,
        dataplane=block.dataplane,
        kernel=results[0].kernel if results else here,
        real=next((result.real for result in results), None),
        clusters=sum(result.clusters for result in results),
        asked=dict(sorted(asked.items())),
        unjudged=sum(result.unjudged for result in results),
        elapsed_s=elapsed_s,
        failures=_distinct([result.failure for result in results if result.failure]),
    )


def _distinct(failures: Sequence[Failure]) -> tuple[Failure, ...]:
    """What shrank to the same cluster is the same failure."""
    ordered = sorted(failures, key=lambda each: (not each.alone, len(each.scenario), each.seed))
    first: dict[str, Failure] = {}
    for each in ordered:
        _comment, _, cluster = each.scenario.partition("\n")
        first.setdefault(cluster, each)
    return tuple(first.values())
