"""Gathers what a page shows of a running lab, where it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.errors import LabkitError
from labkit.kernel.versions import versions
from labkit.lab.lab import Lab
from labkit.probe.flow import Flow, Outcome
from labkit.probe.table import FlowRow, FlowTable
from labkit.probe.verdict import CheckResult
from labkit.report.evidence import Evidence, Version
from labkit.report.text import plural
from labkit.trace.path import Path

MOST_TRACED: Final = 20
"""Flows of one lab: each silent one takes as long as a time-out."""
OF_MIXED: Final = 10
"""Attempts of a flow whose attempts did not all end alike."""


def evidence_of(
    lab: Lab, *, checks: Sequence[CheckResult] = (), table: FlowTable | None = None
) -> Evidence:
    """Return what there is to show of a lab; what failed is asked again, and followed.

    Args:
        lab: the lab, running.
        checks: Checks that were made.
        table: its flow table, if that was asked for.
    """
    failed = list(dict.fromkeys(_failed(checks, table)))
    paths, notes = _followed(lab, failed[:MOST_TRACED])
    if len(failed) > MOST_TRACED:
        left = plural(len(failed) - MOST_TRACED, "flow")
        notes = (*notes, f"The packets of {left} more that failed were not followed.")
    return Evidence(
        cluster=lab.cluster,
        file=lab.scenario.path,
        versions=tuple(Version(*each) for each in versions()),
        rules={node.name: lab.rules(node.name) for node in lab.cluster.nodes},
        logs=dict(lab.logs()),
        paths=paths,
        notes=notes,
    )


def _failed(checks: Sequence[CheckResult], table: FlowTable | None) -> Iterator[tuple[Flow, bool]]:
    """Flows that failed, and whether their attempts differed."""
    for check in checks:
        for observation in () if check.passed else check.observations:
            yield observation.flow, observation.outcome is Outcome.MIXED
    for row in table.flows if table else ():
        if row.agrees is False:
            yield _flow_of(row), row.outcome is Outcome.MIXED


def _flow_of(row: FlowRow) -> Flow:
    return Flow(
        source=row.source,
        address=IPv4Address(row.address),
        dport=row.dport,
        protocol=row.protocol,
        service=row.service,
        port=row.port,
        via=row.via,
        node=row.node,
    )


def _followed(
    lab: Lab, failed: Sequence[tuple[Flow, bool]]
) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The ways of the flows, and why there are none where the kernel cannot tell."""
    paths: list[Path] = []
    try:
        for several in (False, True):
            flows = [flow for flow, mixed in failed if mixed is several]
            attempts = OF_MIXED if several else 1
            traced = lab.trace_all(flows, attempts=attempts) if flows else []
            paths += [path for each in traced for path in each.paths]
    except LabkitError as error:
        return tuple(paths), (f"The packets could not be followed: {error}",)
    return tuple(paths), ()
