"""One size of lab, by everybody who can build it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from labkit.bench.contest import Case, Contestant, GivenUp, Notebook, Rounds, Tell, Turn, chosen
from labkit.bench.lab.settle import settle
from labkit.bench.lab.tools import STAR, TOOLS, python_with, run_alone
from labkit.bench.results import Metric
from labkit.errors import LabError
from labkit.kernel.guest.exchange import kernel_kind
from labkit.kernel.netns import Edge

LABELS: Final[Mapping[str, str]] = {
    "floor": "netlink floor",
    "labkit": "labkit",
    "whole": "labkit, rules and responders too",
    "ip-batch": "`ip -batch`",
    "mininet": "Mininet, Linux bridge",
    "munet": "munet",
}
ON_ONE_BRIDGE: Final = frozenset({"ip-batch", "mininet", "munet"})
"""They make a star: one node, one bridge. They are slow, too."""
SET_UP, TEAR_DOWN, KERNEL_DONE = (
    Metric("set-up", "s"),
    Metric("tear-down", "s", compared=False),  # of the floor that is a few calls of close(2)
    Metric("tear-down, the kernel's too", "s"),
)
PER_POD: Final[Mapping[str, Metric]] = {
    "pss_bytes": Metric("memory of processes a pod (PSS)", "bytes", compared=False),
    "rss_bytes": Metric("memory of processes a pod (RSS)", "bytes", compared=False),
    "kernel_bytes": Metric("memory of the kernel a pod", "bytes", compared=False),
    "descriptors": Metric("file descriptors a pod", "each", compared=False),
}
SECONDS_A_POD: Final[Mapping[str, float]] = {
    "floor": 0.004,
    "labkit": 0.004,
    "whole": 0.006,
    "ip-batch": 0.03,
    "mininet": 0.06,
    "munet": 0.3,
}
START_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCell:
    """So many pods on so many nodes."""

    pods: int
    nodes: int
    only: tuple[str, ...]
    slow_up_to: int
    """Pods of the largest lab that slow tools build."""
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        turns = self.rounds.count
        return turns * sum(START_S + SECONDS_A_POD[name] * self.pods for name in self._names())

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Do all rounds; the kernel's tear-down is awaited in between."""
        case = Case(size=self.pods, setting=f"{self.nodes} node{'s' * (self.nodes > 1)}")
        with Edge() as edge:
            self.rounds.play(
                case,
                list(self._contestants(notebook)),
                notebook,
                tell=tell,
                between=lambda: settle(edge),
            )

    def _names(self) -> list[str]:
        star = self.nodes == 1 and self.pods <= self.slow_up_to
        return [
            each for each in chosen(tuple(LABELS), self.only) if star or each not in ON_ONE_BRIDGE
        ]

    def _contestants(self, notebook: Notebook) -> Iterator[Contestant]:
        for name in self._names():
            if name in TOOLS and kernel_kind() != "host":
                notebook.leave_out(name, "in a guest the programs that it starts take minutes")
                continue
            python = python_with(name) if name in TOOLS else sys.executable
            if python is None:
                notebook.leave_out(name, f"it is not installed; {TOOLS[name].remedy}")
                continue
            yield Contestant(
                name=name,
                label=LABELS[name],
                turn=self._turn(name, python),
                beside="floor",
                weight=START_S + SECONDS_A_POD[name] * self.pods,
            )

    def _turn(self, name: str, python: str) -> Turn:
        words = (name, str(self.pods), str(self.nodes))

        def turn() -> Mapping[Metric, float]:
            try:
                found = run_alone(python, STAR, words)
            except GivenUp as error:
                if name in ON_ONE_BRIDGE:
                    raise
                raise LabError(f"{LABELS[name]}, {self.pods} pods: {error}") from error
            seconds = {
                metric: found[key]
                for key, metric in (
                    ("set-up", SET_UP),
                    ("tear-down", TEAR_DOWN),
                    ("kernel done", KERNEL_DONE),
                )
                if key in found
            }
            return {**seconds, **{m: found[key] / self.pods for key, m in PER_POD.items()}}

        return turn
