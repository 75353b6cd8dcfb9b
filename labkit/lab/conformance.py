"""Runs scenarios whole, Checks and every flow, to see how far a data plane conforms."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from labkit.errors import LabkitError
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.runs import Request, lab_of
from labkit.probe.conformance import ScenarioConformance, conformance
from labkit.probe.table import Kernel
from labkit.probe.verdict import ScenarioResult


def scenarios_conform(
    requests: Sequence[Request], *, jobs: int, tell: Callable[[int], None] = lambda _: None
) -> list[ScenarioConformance]:
    """Run every scenario, at most ``jobs`` at a time; what goes wrong with one is its result.

    Args:
        requests: what to run.
        jobs: labs at a time.
        tell: is told of each scenario that is done.
    """

    def one(request: Request) -> ScenarioConformance:
        found = scenario_conforms(request)
        tell(1)
        return found

    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="labkit conformance") as pool:
        return list(pool.map(one, requests))


def scenario_conforms(request: Request) -> ScenarioConformance:
    """Build one scenario, run its Checks, ask every flow of it, and take it down."""
    kernel = Kernel(kind=kernel_kind(), release=platform.release())
    name, path = request.scenario.lab.metadata.name, request.scenario.path
    try:
        with lab_of(request) as lab:
            result = ScenarioResult(
                scenario=name,
                path=path,
                dataplane=request.plane,
                kernel=kernel,
                rules=lab.rules_source,
                checks=tuple(lab.check()),
                table=lab.matrix(request.sources),
                logs=dict(lab.logs()),
            )
            return conformance(lab.cluster, result)
    except LabkitError as error:
        failed = ScenarioResult(
            scenario=name,
            path=path,
            dataplane=request.plane,
            kernel=kernel,
            error=str(error),
            error_status=error.exit_status,
        )
        return ScenarioConformance(result=failed)
