"""Scenarios and random clusters together: how far a data plane conforms."""

from __future__ import annotations

import platform
from collections.abc import Sequence

from labkit.errors import LabkitError
from labkit.fuzz.block import chosen
from labkit.fuzz.run import FuzzRequest, fuzz
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.conformance import scenarios_conform
from labkit.lab.runs import Request
from labkit.probe.conformance import Conformance
from labkit.probe.table import Kernel
from labkit.semantics.traits import traits_of


def conforms(requests: Sequence[Request], clusters: FuzzRequest, *, jobs: int) -> Conformance:
    """Run every scenario, then try random clusters, and return what both have shown.

    Args:
        requests: the scenarios, all under one data plane.
        clusters: the random clusters, under the same one.
        jobs: labs at a time.

    Raises:
        MissingFeature: the program is not there.
        UsageError: it is no kube-proxy.
    """
    block = clusters.block
    program = chosen(block)
    real = program.identity if program else None
    scenarios = tuple(scenarios_conform(requests, jobs=jobs))
    findings, error = None, None
    try:
        findings = fuzz(clusters) if clusters.clusters else None
    except LabkitError as failed:
        # What the scenarios have shown is not lost.
        error = str(failed)
    return Conformance(
        dataplane=block.dataplane,
        real=real,
        kernel=Kernel(kind=kernel_kind(), release=platform.release()),
        scenarios=scenarios,
        findings=findings,
        error=error,
        traits=traits_of(block.dataplane, real),
    )
