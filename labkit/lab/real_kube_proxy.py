"""Which real kube-proxy serves a lab, if one does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labkit.cluster.model import RealKubeProxy
from labkit.dataplane.kube_proxy.hosting import Hosting
from labkit.dataplane.kube_proxy.program import NAME, Program, find
from labkit.errors import UsageError
from labkit.lab import arguments
from labkit.lab.loop import LoopThread
from labkit.manifest.kinds import PROXY_MODES, Scenario
from labkit.manifest.problems import nearest, quote


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A program and the mode that it is to run in."""

    program: Program
    mode: str

    def hosting(self, loop: LoopThread) -> Hosting:
        """The same for a lab that runs."""
        return Hosting(self.program, self.mode, loop)

    @property
    def identity(self) -> RealKubeProxy:
        """What a cluster and its flow table say of it."""
        return RealKubeProxy(version=self.program.version, mode=self.mode)


def mode_of(scenario: Scenario, mode: str | None) -> str:
    """Return the mode that a kube-proxy is to run in: the one asked for, or the Lab's.

    Raises:
        UsageError: there is no such mode.
    """
    if mode is not None and mode not in PROXY_MODES:
        remedy = nearest(str(mode), PROXY_MODES)
        raise UsageError(f"kube-proxy has no mode {quote(repr(mode))}; {remedy}")
    return mode or scenario.lab.spec.kube_proxy.mode


def choose(
    scenario: Scenario, dataplane: str | None, path: str | Path | None, mode: str | None
) -> Chosen | None:
    """Return what is to serve a lab; None for a data plane of labkit's own.

    Args:
        scenario: what the lab is made from.
        dataplane: overrides the Lab's.
        path: the program; None for the one on PATH.
        mode: overrides the Lab's.

    Raises:
        MissingFeature: the program is not there.
        UsageError: it is no kube-proxy, or there is no such mode.
    """
    wanted = mode_of(scenario, mode)
    if path is not None:
        arguments.path("kube_proxy", path)
    if (dataplane or scenario.lab.spec.dataplane) != NAME:
        return None
    return Chosen(program=find(Path(path) if path is not None else None), mode=wanted)
