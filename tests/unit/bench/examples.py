"""Reports with figures that can be worked out in one's head."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.bench.results import LeftOut, Machine, Measurement, Report, Run
from labkit.probe.table import Kernel

MACHINE = Machine(
    cores=2,
    processor="Example",
    memory_bytes=8 << 30,
    kernel=Kernel(kind="host", release="6.18.0"),
    versions={"labkit": "0.1.0", "Python": "3.11.2"},
    load=0.5,
)


def measured(  # noqa: PLR0913 - a measurement is described in one place
    contestant: str,
    values: Sequence[float],
    *,
    size: int = 10,
    setting: str = "",
    beside: str = "floor",
    metric: str = "set-up",
    unit: str = "s",
) -> Measurement:
    return Measurement(
        contestant=contestant,
        label=f"the {contestant}",
        metric=metric,
        unit=unit,
        size=size,
        setting=setting,
        beside=beside,
        values=tuple(values),
    )


def reported(
    *measurements: Measurement,
    bench: str = "lab",
    left_out: Sequence[LeftOut] = (),
    complete: bool = True,
) -> Report:
    run = Run(machine=MACHINE, measurements=measurements, left_out=tuple(left_out))
    return Report(
        bench=bench,
        sizes="pods",
        date="2026-01-02T03:04:05Z",
        seed=7,
        rounds=3,
        complete=complete,
        options={"pods": "10"},
        runs=(run,),
    )
