"""A block of random clusters: the unit of work, given by its seed, done in one lab."""

from __future__ import annotations

import platform
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from labkit.cluster.build import build_cluster
from labkit.cluster.model import RealKubeProxy
from labkit.dataplane import needs_of
from labkit.dataplane.base import DataPlane
from labkit.dataplane.iptables.apply import Backend
from labkit.dataplane.kube_proxy.flags import check
from labkit.dataplane.kube_proxy.program import NAME as KUBE_PROXY
from labkit.dataplane.kube_proxy.program import find
from labkit.errors import LabError, UsageError
from labkit.fuzz.clusters import RandomCluster, clusters
from labkit.fuzz.ground import Ground, Trial
from labkit.fuzz.hosts import lab_manifest
from labkit.fuzz.scenario import in_words, scenario_text
from labkit.kernel.guest.exchange import kernel_kind
from labkit.lab.lab import Lab
from labkit.lab.real_kube_proxy import Chosen
from labkit.manifest.load import load_objects, load_text
from labkit.probe.findings import Failure
from labkit.probe.table import Kernel
from labkit.report.text import plural

CLUSTERS_A_BLOCK: Final = 25
STORAGE: Final = "HYPOTHESIS_STORAGE_DIRECTORY"
"""Names the folder for what Hypothesis remembers; else it would be in the working directory."""
HASTY_S: Final = 0.3
"""While a failure shrinks, unexpected silence is believed sooner. The smallest cluster is tried
again in a lab of its own with all patience."""
SHRINKING_S: Final = 60.0
"""So long the smallest cluster is looked for, once one has failed."""
MOST_TOLD: Final = 10
"""So many flows of a failure are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What to try. The same block tries the same clusters."""

    seed: int
    count: int = CLUSTERS_A_BLOCK
    dataplane: str = "iptables"
    iptables: Backend | None = None
    kube_proxy: Path | None = None
    """The program that the data plane ``kube-proxy`` runs; None for the one on PATH."""
    proxy_mode: str = "iptables"
    nodes: int = 5
    services: int = 3
    spec: Mapping[str, Any] = field(default_factory=dict)
    """What the Lab says of all its clusters' hosts."""
    shrink: bool = True
    """Whether to look for the smallest cluster that fails."""
    within_s: float | None = None
    """No cluster is begun later than this after the block's start; a failure is still shrunk."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that the data plane needs of the kernel, by their names."""
        return needs_of(self.dataplane, proxy_mode=self.proxy_mode)

    @property
    def is_hosted(self) -> bool:
        """Whether programs make the rules: they know one configuration, and every node."""
        return self.dataplane == KUBE_PROXY


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """What a block has shown."""

    block: Block
    clusters: int
    asked: Mapping[tuple[str, str], int]
    """Flows, by the kind of their address and their outcome."""
    unjudged: int
    kernel: Kernel
    """That of the machine which did it."""
    real: RealKubeProxy | None
    """Which kube-proxy made the rules; None where labkit did."""
    elapsed_s: float
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A cluster that differs from the model, or whose rules were refused."""

    cluster: RandomCluster
    before: RandomCluster | None
    """What the lab was before."""
    trial: Trial
    error: LabError | None = None

    @property
    def size(self) -> int:
        """How large the cluster is: what is said of it."""
        return len(str(self.cluster.manifests))


@dataclass(slots=True)
class _Tries:
    """What happened so far."""

    clusters: int = 0
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    unjudged: int = 0
    before: RandomCluster | None = None
    """What the lab is."""
    smallest: _Found | None = None
    found_at_s: float = 0.0
    """When the first failure was found, on the monotonic clock."""

    def add(self, trial: Trial) -> None:
        self.clusters += 1
        self.asked.update(trial.asked)
        self.unjudged += trial.unjudged

    def keep(self, found: _Found) -> None:
        if self.smallest is None:
            self.found_at_s = time.monotonic()
        if self.smallest is None or found.size < self.smallest.size:
            self.smallest = found


class _Disagreement(Exception):  # noqa: N818 - Hypothesis looks for the smallest cluster that raises it
    """Told to Hypothesis: this cluster fails."""


def run_block(block: Block, *, plane: DataPlane[Any] | None = None) -> BlockResult:
    """Try a block's clusters until one differs from the model.

    Args:
        block: what to try.
        plane: what installs the rules, if it is not the data plane of that name.

    Raises:
        LabError: the lab cannot be built.
        MissingFeature: this kernel or machine lacks something.
    """
    began = time.monotonic()
    block, program = fitted(block), chosen(block)
    tries = _Tries()
    with Ground(
        dataplane=block.dataplane,
        spec=block.spec,
        nodes=block.nodes,
        iptables=block.iptables,
        kube_proxy=program,
        plane=plane,
    ) as ground:
        found = _search(block, ground, tries, began)
    return BlockResult(
        block=block,
        clusters=tries.clusters,
        asked=dict(tries.asked),
        unjudged=tries.unjudged,
        kernel=Kernel(kind=kernel_kind(), release=platform.release()),
        real=program.identity if program else None,
        elapsed_s=time.monotonic() - began,
        failure=_failure(block, found) if found else None,
    )


def chosen(block: Block) -> Chosen | None:
    """Return what serves the labs of a block, if that is a program.

    Raises:
        MissingFeature: the program is not there.
        UsageError: it is no kube-proxy.
    """
    if not block.is_hosted:
        return None
    return Chosen(program=find(block.kube_proxy), mode=block.proxy_mode)


def fitted(block: Block) -> Block:
    """Return the block without a configuration that its program does not know.

    Raises:
        MissingFeature: the program is not there.
        UsageError: it is no kube-proxy.
    """
    found = chosen(block)
    if found is None:
        return block
    lab = build_cluster(load_objects([lab_manifest("fuzz", [""], block.spec)]))
    try:
        check(found.program, lab, found.mode)
    except UsageError:
        return replace(block, spec={**block.spec, "kubeProxy": {}})
    return block


def _search(block: Block, ground: Ground, tries: _Tries, began: float) -> _Found | None:
    """The smallest cluster that fails; None if none does."""
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from hypothesis.errors import Flaky

    @seed(block.seed)
    @settings(
        # Always as many: what Hypothesis makes first depends on how many are to come.
        max_examples=max(block.count, CLUSTERS_A_BLOCK),
        phases=[Phase.generate, *([Phase.shrink] if block.shrink else [])],
        database=None,
        deadline=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        clusters(
            nodes=block.nodes,
            services=block.services,
            spec=block.spec,
            configured=block.is_hosted,
        )
    )
    def agrees(cluster: RandomCluster) -> None:
        if _is_over(block, tries, began):
            return
        found = _try(ground, tries, cluster)
        if found is not None:
            tries.keep(found)
            ground.patience = replace(ground.patience, unforeseen_s=HASTY_S)
            raise _Disagreement

    # Flaky: it failed once and not again, or the time to shrink it is over. It counts.
    with suppress(_Disagreement, Flaky):
        agrees()
    return tries.smallest


def _is_over(block: Block, tries: _Tries, began: float) -> bool:
    """Whether no cluster is to be tried any more."""
    if tries.smallest is not None:
        return time.monotonic() - tries.found_at_s > SHRINKING_S
    late = block.within_s is not None and time.monotonic() - began > block.within_s
    return late or tries.clusters >= block.count


def _try(ground: Ground, tries: _Tries, cluster: RandomCluster) -> _Found | None:
    """Try one cluster; return what is wrong with it."""
    before, tries.before = tries.before, cluster
    try:
        trial = ground.try_cluster(cluster.manifests)
    except LabError as error:
        return _Found(cluster=cluster, before=before, trial=Trial(), error=error)
    if tries.smallest is None:
        tries.add(trial)
    return None if trial.agrees else _Found(cluster=cluster, before=before, trial=trial)


def _failure(block: Block, found: _Found) -> Failure:
    told = [*map(in_words, found.trial.surprises), *map(in_words, found.trial.health)]
    comment = f"{plural(len(told), 'flow')} not as Kubernetes specifies."
    if found.error is not None:
        told, comment = [str(found.error)], "Its rules were refused."
    text = scenario_text(
        found.cluster.manifests, found.trial, dataplane=block.dataplane, comment=comment
    )
    alone = _shows(text, block)
    before = ""
    if found.before is not None and not alone:
        before = scenario_text(
            found.before.manifests,
            Trial(),
            dataplane=block.dataplane,
            comment="What the lab was before.",
        )
    return Failure(
        seed=block.seed,
        dataplane=block.dataplane,
        flows=tuple(told[:MOST_TOLD]),
        more=len(told[MOST_TOLD:]),
        scenario=text,
        alone=alone,
        before=before,
    )


def _shows(text: str, block: Block) -> bool:
    """Whether a scenario fails in a lab of its own: its Checks, or its rules are refused there."""
    try:
        with Lab(
            load_text(text),
            iptables=block.iptables,
            kube_proxy=block.kube_proxy,
            proxy_mode=block.proxy_mode,
        ) as lab:
            return any(not check.passed for check in lab.check())
    except LabError:
        return True
