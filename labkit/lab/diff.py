"""Runs scenarios under several data planes and compares what became of every flow.

How a flow table comes about is left open: from a lab on this kernel, from one in a guest, or from a
file. Comparing them is pure (`labkit.probe.compare`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from labkit.cluster.build import build_cluster
from labkit.dataplane.iptables.apply import Backend
from labkit.errors import UsageError
from labkit.lab.lab import Lab
from labkit.lab.runs import RULES_SOURCE
from labkit.manifest.kinds import Scenario
from labkit.probe.compare import Comparison, Probed, compare
from labkit.probe.table import from_json
from labkit.semantics.traits import traits_of

AT_LEAST: Final = 2
NO_RULES: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A scenario to probe under one data plane, and how."""

    scenario: Scenario
    dataplane: str
    sources: Sequence[str] | None = None
    iptables: Backend | None = None
    attempts: int | None = None
    seed: int = 0


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


def requests(
    scenarios: Sequence[Scenario],
    dataplanes: Sequence[str],
    *,
    sources: Sequence[str] | None = None,
    iptables: Backend | None = None,
    attempts: int | None = None,
    seed: int = 0,
) -> list[Request]:
    """Return what has to be probed: every scenario under every data plane, scenario by scenario."""
    return [
        Request(
            scenario=scenario,
            dataplane=dataplane,
            sources=sources,
            iptables=iptables,
            attempts=attempts,
            seed=seed,
        )
        for scenario in scenarios
        for dataplane in dataplanes
    ]


def probe(request: Request) -> Probed:
    """Build a lab on this kernel and return its flow table.

    Raises:
        LabkitError: the lab cannot be built or probed.
    """
    with Lab(
        request.scenario,
        dataplane=request.dataplane,
        iptables=request.iptables,
        seed=request.seed,
    ) as lab:
        table = lab.matrix(request.sources, attempts=request.attempts)
    return Probed(table=table, rules=NO_RULES if request.dataplane == NO_RULES else RULES_SOURCE)


def comparisons(asked: Sequence[Request], found: Sequence[Probed]) -> list[Comparison]:
    """Compare the first data plane of each scenario with each of the others.

    Args:
        asked: as `requests` returns it.
        found: what was found for each.
    """
    return list(_comparisons(asked, found))


def _comparisons(asked: Sequence[Request], found: Sequence[Probed]) -> Iterator[Comparison]:
    first: tuple[Request, Probed] | None = None
    for request, probed in zip(asked, found, strict=True):
        if first is None or request.scenario is not first[0].scenario:
            first = (request, probed)
        else:
            yield compare(build_cluster(request.scenario), first[1], probed)


def saved(path: Path) -> Probed:
    """Read a flow table that `labkit matrix -o json` has written.

    Raises:
        UsageError: the file cannot be read, or holds no flow table.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    try:
        return Probed(table=from_json(text), rules=f"not said, table saved in {path}")
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
