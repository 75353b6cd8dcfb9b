"""Counts what labs do while they do it, for a display of progress."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from labkit.probe.engine import Probes
from labkit.probe.table import FlowTable
from labkit.probe.verdict import ScenarioResult

NO_PROBES: Final = Probes()


class Probing(Protocol):
    """A running lab."""

    @property
    def probes(self) -> Probes:
        """How many probes it has made so far."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a command has come."""

    labs: int
    """All that are to be run."""
    done: int = 0
    checks: int = 0
    """Checks of the labs that are done."""
    flows: int = 0
    """Flows in the tables of those without Checks."""
    failed: int = 0
    """How many of these failed, and labs that could not be run."""
    probes: Probes = NO_PROBES
    """Of the labs that run."""


class Meter:
    """What every lab of a command has done so far; it is told by the threads that run them."""

    def __init__(self, labs: int) -> None:
        self._progress = Progress(labs=labs)
        self._running: list[Probing] = []
        self._turn = threading.Lock()

    @contextmanager
    def watching(self, lab: Probing) -> Iterator[None]:
        """Count a lab's probes as long as it runs."""
        with self._turn:
            self._running.append(lab)
        try:
            yield
        finally:
            with self._turn:
                self._running.remove(lab)

    def found(self, result: ScenarioResult) -> None:
        """A scenario is done."""
        failed = sum(not check.passed for check in result.checks) + (result.error is not None)
        flows = result.table.flows if result.table else ()
        failed += sum(row.agrees is False for row in flows)
        self._add(checks=len(result.checks), flows=len(flows), failed=failed)

    def probed(self, table: FlowTable) -> None:
        """A flow table is done."""
        wrong = sum(row.agrees is False for row in table.flows)
        self._add(flows=len(table.flows), failed=wrong)

    def now(self) -> Progress:
        """How far the command has come."""
        with self._turn:
            asked = sum(lab.probes.asked for lab in self._running)
            answered = sum(lab.probes.answered for lab in self._running)
            return replace(self._progress, probes=Probes(asked, answered))

    def _add(self, *, checks: int = 0, flows: int, failed: int) -> None:
        with self._turn:
            before = self._progress
            self._progress = replace(
                before,
                done=before.done + 1,
                checks=before.checks + checks,
                flows=before.flows + flows,
                failed=before.failed + failed,
            )
