"""What random clusters have shown: plain data for reports. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.cluster.model import RealKubeProxy
from labkit.probe.table import Kernel


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The smallest cluster that was found to differ from the model."""

    seed: int
    """Of its block of clusters; that of the run is in `Findings`."""
    dataplane: str
    flows: tuple[str, ...]
    """What differed, one sentence each; the first few."""
    more: int = 0
    """How many more flows differed."""
    scenario: str
    """The cluster as the text of a scenario file."""
    alone: bool
    """Whether that file shows it again in a lab of its own."""
    before: str = ""
    """If it does not: the cluster that the lab was before, as the text of a scenario file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the random clusters of one run have shown under one data plane."""

    seed: int
    dataplane: str
    kernel: Kernel
    real: RealKubeProxy | None = None
    """Which kube-proxy made the rules; None where labkit did."""
    clusters: int
    """How many were tried."""
    asked: Mapping[tuple[str, str], int]
    """Flows that were held against the model, by the kind of their address and their outcome."""
    unjudged: int
    """Flows of which the model says nothing."""
    elapsed_s: float
    failures: tuple[Failure, ...] = ()
    """Those that a file of their own shows first, then the smallest; of the same cluster one."""

    @property
    def name(self) -> str:
        """The data plane in words."""
        return self.real.words if self.real else self.dataplane

    @property
    def flows(self) -> int:
        """Flows that were held against the model."""
        return sum(self.asked.values())

    @property
    def passed(self) -> bool:
        """Whether every flow was as the model says."""
        return not self.failures
