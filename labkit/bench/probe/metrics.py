"""What is measured of probes, and who takes part."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from labkit.bench.figures import percentile
from labkit.bench.results import Metric

LABELS: Final[Mapping[str, str]] = {
    "epoll": "bare `select.epoll`",
    "labkit": "labkit",
    "udp": "labkit, UDP",
    "asyncio": "bare asyncio",
    "process": "`nsenter` and a shell for each probe",
    "mininet": "Mininet, pingAll",
}
MEASURE: Final = "epoll"


class Metrics:
    """The metrics of one kind of questions."""

    def __init__(self, what: str) -> None:
        self.rate = Metric(f"probes, {what}", "a second")
        self._half = Metric(f"latency p50, {what}", "s", compared=False)
        self._most = Metric(f"latency p99, {what}", "s", compared=False)

    def of(self, ask: Callable[[], Sequence[float]]) -> Mapping[Metric, float]:
        """Ask, and return what it took in all and each."""
        began = time.perf_counter()
        taken = ask()
        rate = len(taken) / (time.perf_counter() - began)
        return {
            self.rate: rate,
            self._half: percentile(taken, 0.50),
            self._most: percentile(taken, 0.99),
        }
