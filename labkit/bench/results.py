"""What a benchmark has found, as data: the JSON that is stored, and all that reports need. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from labkit.errors import UsageError
from labkit.probe.table import Kernel

SCHEMA: Final = "labkit.dev/bench/v1"


@dataclass(frozen=True, slots=True)
class Metric:
    """Something that is measured; ``unit`` is one of `labkit.bench.figures.UNITS`."""

    name: str
    unit: str
    compared: bool = True
    """Whether a ratio of it says something."""


class Machine(Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cores: int
    processor: str
    memory_bytes: int
    kernel: Kernel
    versions: dict[str, str]
    load: float
    """Processes that wanted to run before the first round: a minute's average (proc(5))."""

    @property
    def is_the_same_as(self) -> tuple[object, ...]:
        """What two machines have in common if they are the same one, whatever ran on it."""
        return (self.cores, self.processor, self.memory_bytes, self.kernel, str(self.versions))


class Measurement(Struct, frozen=True, kw_only=True):
    """One number of one contestant at one size, once for each round."""

    contestant: str
    """Its name for ``--only``."""
    label: str
    """Its name in tables."""
    metric: str
    unit: str
    size: int
    setting: str = ""
    """What else the size was measured under, as ``20 nodes``."""
    beside: str = ""
    """The contestant that is its measure; empty for none."""
    values: tuple[float, ...]
    """In the order of the rounds."""


class LeftOut(Struct, frozen=True, kw_only=True):
    """A contestant that did not take part."""

    contestant: str
    why: str
    """What was found, and the command that gets what is missing."""


class Run(Struct, frozen=True, kw_only=True):
    """What one machine has measured."""

    machine: Machine
    measurements: tuple[Measurement, ...]
    left_out: tuple[LeftOut, ...] = ()


class Report(Struct, frozen=True, kw_only=True):
    """A whole benchmark."""

    schema: str = SCHEMA
    bench: str
    """``lab``, ``probe``, ``sync``, ``fuzz`` or ``held``."""
    sizes: str
    """What the sizes count, as ``pods``."""
    date: str
    """When it began, UTC, as RFC 3339 writes it."""
    seed: int
    rounds: int
    complete: bool = True
    """False if it was interrupted: the rows are of the rounds that were done by then."""
    options: dict[str, str]
    runs: tuple[Run, ...]


def merged(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Return one run for each machine; its load is the highest that it was seen under."""
    found: dict[tuple[object, ...], Run] = {}
    for run in runs:
        key = run.machine.is_the_same_as
        before = found.get(key)
        if before is None:
            found[key] = run
            continue
        load = max(before.machine.load, run.machine.load)
        left_out = dict.fromkeys((*before.left_out, *run.left_out))
        found[key] = Run(
            machine=msgspec.structs.replace(before.machine, load=load),
            measurements=(*before.measurements, *run.measurements),
            left_out=tuple(left_out),
        )
    return tuple(found.values())


def to_json(report: Report) -> str:
    """Return the report as JSON, one line for each measurement."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1).decode() + "\n"


def schema() -> dict[str, object]:
    """Return the JSON Schema of a report."""
    found = msgspec.json.schema(Report)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": SCHEMA, **found}


def from_json(data: bytes, *, where: str) -> Report:
    """Read a stored report.

    Raises:
        UsageError: it is none; ``where`` is named.
    """
    try:
        report = msgspec.json.decode(data, type=Report)
    except msgspec.DecodeError as error:
        raise UsageError(f"{where}: this is no report of labkit bench: {error}") from error
    if report.schema != SCHEMA:
        raise UsageError(f"{where}: schema is {report.schema!r}, expected {SCHEMA!r}")
    return report
