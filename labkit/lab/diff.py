"""Runs scenarios under several data planes and compares what became of every flow.

How a flow table comes about is left open: from a lab on this kernel, from one in a guest, or from a
file. Comparing them is pure (`labkit.probe.compare`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from labkit.cluster.build import build_cluster
from labkit.errors import UsageError
from labkit.lab.runs import Request
from labkit.probe.compare import Comparison, compare
from labkit.probe.table import FlowTable, from_json
from labkit.semantics.traits import traits_of

AT_LEAST: Final = 2


def check_dataplanes(names: Sequence[str]) -> None:
    """See to it that these data planes can be compared.

    Raises:
        UsageError: there are fewer than two of them, one is named twice, or one is unknown.
    """
    for name in names:
        traits_of(name)
    if len(set(names)) < max(AT_LEAST, len(names)):
        found = f"--dataplane {','.join(names)}" if names else "without --dataplane"
        raise UsageError(
            f"{found} there is nothing to compare; expected two or more that differ: first the one "
            "that you have, then those that you could move to, as in --dataplane ipvs,nftables"
        )


def comparisons(asked: Sequence[Request], found: Sequence[FlowTable]) -> list[Comparison]:
    """Compare the first data plane of each scenario with each of the others.

    Args:
        asked: every scenario under every data plane, scenario by scenario.
        found: what was found for each.
    """
    return list(_comparisons(asked, found))


def _comparisons(asked: Sequence[Request], found: Sequence[FlowTable]) -> Iterator[Comparison]:
    first: tuple[Request, FlowTable] | None = None
    for request, table in zip(asked, found, strict=True):
        if first is None or request.scenario is not first[0].scenario:
            first = (request, table)
        else:
            yield compare(build_cluster(request.scenario), first[1], table)


def saved(path: Path) -> FlowTable:
    """Read a flow table that `labkit matrix -o json` has written.

    Raises:
        UsageError: the file cannot be read, or holds no flow table.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    try:
        return from_json(text)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
