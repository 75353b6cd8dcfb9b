"""Runs scenarios one after the other or several at a time: what `labkit run` does."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from labkit.cluster.mapped import in_words
from labkit.dataplane import needs_of
from labkit.dataplane.iptables.apply import Backend
from labkit.errors import LabkitError, UsageError
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.evidence import evidence_of
from labkit.lab.lab import Lab
from labkit.lab.meter import Meter
from labkit.lab.needs import features_of
from labkit.lab.real_kube_proxy import mode_of
from labkit.lab.tables import Interrupted
from labkit.lab.tracing import Traced
from labkit.manifest.kinds import Scenario
from labkit.probe.table import FlowTable, Kernel
from labkit.probe.verdict import CheckResult, ScenarioResult
from labkit.report.evidence import Evidence

SUFFIXES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A scenario to run, and how."""

    scenario: Scenario
    dataplane: str | None = None
    iptables: Backend | None = None
    rules: Mapping[str, Path] = field(default_factory=dict)
    """Files of real nodes' rules, by node."""
    kube_proxy: Path | None = None
    """The program that the data plane `kube-proxy` runs; None for the one on PATH."""
    proxy_mode: str | None = None
    """Its mode; None for the Lab's."""
    sources: Sequence[str] | None = None
    """Of a flow table, as `Lab.matrix` takes them."""
    seed: int = 0
    attempts: int | None = None
    evidence: bool = False
    """Whether to return what a page shows of the lab beside what was found."""

    @property
    def plane(self) -> str:
        """The data plane to run under."""
        return self.dataplane or self.scenario.lab.spec.dataplane

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that data plane and scenario need of the kernel, by their names.

        Raises:
            UsageError: kube-proxy has no such mode.
        """
        plane = needs_of(self.plane, proxy_mode=mode_of(self.scenario, self.proxy_mode))
        return (*plane, *features_of(self.scenario))


def scenario_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files that paths stand for: a folder for the YAML files in it, sorted.

    Raises:
        UsageError: a folder holds no YAML file, or cannot be read.
    """
    files: list[Path] = []
    for path in paths:
        # os.path and not Path: what may not even be looked at is no folder, but no failure yet.
        if not os.path.isdir(path):  # noqa: PTH112
            files.append(path)
            continue
        try:
            found = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES)
        except OSError as error:
            remedy = "give a folder that can be read, or files"
            raise UsageError(f"{path} cannot be read: {error.strerror}; {remedy}") from error
        if not found:
            raise UsageError(f"{path} holds no scenario file (*.yaml)")
        files += found
    return files


class Ran(NamedTuple):
    """What was found of a scenario, and what a page shows of its lab."""

    result: ScenarioResult
    evidence: Evidence | None = None


def run_all(requests: Sequence[Request], meter: Meter | None = None, *, jobs: int) -> list[Ran]:
    """Run every request, at most ``jobs`` at a time; results in the order of the requests."""
    work = partial(run_one, meter=meter or Meter(len(requests)))
    if jobs == 1 or len(requests) == 1:
        return [work(request) for request in requests]
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="labkit run") as pool:
        return list(pool.map(work, requests))


class Probed(NamedTuple):
    """A flow table, and what programs in pods printed meanwhile, by ``pod/container``."""

    table: FlowTable
    logs: dict[str, str]
    evidence: Evidence | None = None
    planned: int | None = None
    """Of a table that was interrupted: how many flows it was to have."""


def probe_all(
    requests: Sequence[Request], meter: Meter | None = None, *, jobs: int = 1
) -> list[Probed]:
    """Return the flow table of every request, at most ``jobs`` labs at a time.

    Raises:
        LabkitError: a lab cannot be built or probed.
    """
    work = partial(probe, meter=meter or Meter(len(requests)))
    if jobs == 1 or len(requests) == 1:
        return list(_until_interrupted(map(work, requests)))
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="labkit probe") as pool:
        return list(pool.map(work, requests))


def _until_interrupted(probed: Iterable[Probed]) -> Iterator[Probed]:
    """What there is until Ctrl-C: the table that it cut short is the last."""
    for each in probed:
        yield each
        if each.planned is not None:
            return


def probe(request: Request, meter: Meter) -> Probed:
    """Build one scenario, probe its flow table, and take it down.

    Ctrl-C while it probes leaves what was done.

    Raises:
        LabkitError: the lab cannot be built or probed.
    """
    with lab_of(request) as lab, meter.watching(lab):
        try:
            table = lab.matrix(request.sources, attempts=request.attempts)
        except Interrupted as cut:
            return Probed(cut.table, dict(lab.logs()), planned=cut.planned)
        meter.probed(table)
        evidence = evidence_of(lab, table=table) if request.evidence else None
        return Probed(table, dict(lab.logs()), evidence)


class Question(NamedTuple):
    """A flow to trace, as `Lab.trace` takes it."""

    source: str
    to: str
    protocol: str
    packets: int | None


def trace(request: Request, question: Question) -> Traced:
    """Build one scenario, follow the packets of a flow through it, and take it down.

    Raises:
        LabkitError: the lab cannot be built, or a name does not exist in it.
    """
    with lab_of(request) as lab:
        return lab.trace(
            question.source,
            question.to,
            protocol=question.protocol,
            attempts=request.attempts or 1,
            packets=question.packets,
        )


def lab_of(request: Request) -> Lab:
    """Return the lab that a request describes; entering it builds it.

    Raises:
        LabkitError: it cannot be.
    """
    return Lab(
        request.scenario,
        dataplane=request.dataplane,
        iptables=request.iptables,
        rules=request.rules,
        kube_proxy=request.kube_proxy,
        proxy_mode=request.proxy_mode,
        seed=request.seed,
    )


def run_one(request: Request, meter: Meter | None = None) -> Ran:
    """Build one scenario, run its Checks or its flow table, and take it down.

    What goes wrong with one scenario is its result, so that the others are not lost.
    """
    meter = meter or Meter(1)
    began = time.monotonic()
    try:
        with lab_of(request) as lab, meter.watching(lab):
            result = judged(lab, request, began=began)
            meter.found(result)
            return Ran(result, evidence_for(lab, result) if request.evidence else None)
    except LabkitError as error:
        result = replace(not_run(request, error).result, elapsed_s=time.monotonic() - began)
        meter.found(result)
        return Ran(result)


def judged(lab: Lab, request: Request, *, began: float) -> ScenarioResult:
    """Run the Checks of a running lab, or probe its flow table if it has none.

    What goes wrong is in the result. ``began`` is on the monotonic clock.
    """
    scenario = lab.scenario
    table: FlowTable | None = None
    checks: Sequence[CheckResult] = ()
    failed: LabkitError | None = None
    try:
        if scenario.checks:
            checks = lab.check(*scenario.checks, attempts=request.attempts)
        else:
            table = lab.matrix(request.sources, attempts=request.attempts)
    except LabkitError as error:
        failed = error
    return ScenarioResult(
        scenario=scenario.lab.metadata.name,
        path=scenario.path,
        dataplane=request.plane,
        kernel=Kernel(kind=kernel_kind(), release=platform.release()),
        description=scenario.description,
        rules=lab.rules_source,
        mapped=in_words(lab.cluster.mapped),
        elapsed_s=time.monotonic() - began,
        table=table,
        checks=tuple(checks),
        error=str(failed) if failed else None,
        error_status=failed.exit_status if failed else 0,
        logs={} if failed else dict(lab.logs()),
    )


def evidence_for(lab: Lab, result: ScenarioResult) -> Evidence:
    """Return what a page shows of a lab beside what was found in it."""
    return evidence_of(lab, checks=result.checks, table=result.table)


def not_run(request: Request, error: LabkitError) -> Ran:
    """What is found of a request that cannot be run here."""
    result = ScenarioResult(
        scenario=request.scenario.lab.metadata.name,
        path=request.scenario.path,
        dataplane=request.plane,
        kernel=Kernel(kind=kernel_kind(), release=platform.release()),
        description=request.scenario.description,
        error=str(error),
        error_status=error.exit_status,
    )
    return Ran(result)


def exit_status(results: Sequence[ScenarioResult]) -> int:
    """Return the command's status: 1 if a check differs or a lab failed, else the worst error's."""
    if any(not result.passed and result.error_status <= 1 for result in results):
        return 1
    return min((result.error_status for result in results if result.error_status), default=0)
