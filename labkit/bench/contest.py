"""Contestants take turns, round by round, and what they measure is written down."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labkit.bench.results import LeftOut, Machine, Measurement, Metric, Run

Turn = Callable[[], Mapping[Metric, float]]
"""Does it once, and says what it measured."""
Tell = Callable[[float], None]
"""Is told how much of the work is done with each turn."""


class GivenUp(Exception):  # noqa: N818 - named for what it says
    """Another tool cannot do this size; its words say why. Labkit's own failures are raised."""


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Who takes part, and what its numbers are held against."""

    name: str
    label: str
    turn: Turn
    beside: str = ""
    weight: float = 1
    """How long a turn takes, roughly, beside the others'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured, under what."""

    size: int
    setting: str = ""


class Cell(Protocol):
    """A part of a sweep that is measured in one go on one machine; it can be sent there."""

    @property
    def weight(self) -> float:
        """How long all of it takes, roughly, in the unit that it tells."""
        ...

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Do all rounds."""
        ...


@dataclass
class Notebook:
    """What has been measured so far on this machine; it can be read at any time."""

    machine: Machine
    _values: dict[tuple[str, str, int, str], list[float]] = field(default_factory=dict)
    _about: dict[tuple[str, str, int, str], tuple[Contestant, Metric]] = field(default_factory=dict)
    _left_out: dict[LeftOut, None] = field(default_factory=dict)
    _order: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def expect(self, case: Case, contestants: Iterable[Contestant]) -> None:
        """Reports name contestants in this order, whoever has the first turn."""
        for contestant in contestants:
            self._order.setdefault((case.size, case.setting, contestant.name), len(self._order))

    def note(self, case: Case, contestant: Contestant, found: Mapping[Metric, float]) -> None:
        """Write down what a turn has measured."""
        for metric, value in found.items():
            key = (contestant.name, metric.name, case.size, case.setting)
            self._about[key] = (contestant, metric)
            self._values.setdefault(key, []).append(value)

    def leave_out(self, contestant: str, why: str) -> None:
        """Write down who does not take part."""
        self._left_out[LeftOut(contestant=contestant, why=why)] = None

    def run(self) -> Run:
        """Return all of it."""
        measurements = tuple(
            Measurement(
                contestant=contestant.name,
                label=contestant.label,
                metric=metric.name,
                unit=metric.unit,
                size=key[2],
                setting=key[3],
                beside=contestant.beside if metric.compared else "",
                values=tuple(self._values[key]),
            )
            for key, (contestant, metric) in sorted(self._about.items(), key=self._place)
        )
        return Run(machine=self.machine, measurements=measurements, left_out=tuple(self._left_out))

    def _place(self, noted: tuple[tuple[str, str, int, str], object]) -> int:
        contestant, _, size, setting = noted[0]
        return self._order[size, setting, contestant]


def chosen(all_names: Sequence[str], only: Sequence[str]) -> Sequence[str]:
    """Return the names of those who take part, in their usual order; without ``only`` all."""
    return [name for name in all_names if not only or name in only]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often, and in which order: another one each round, the same for the same seed."""

    count: int
    seed: int
    warm_up: bool = False
    """Whether there is one round before that is not counted."""

    def play(
        self,
        case: Case,
        contestants: Iterable[Contestant],
        notebook: Notebook,
        *,
        tell: Tell,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Let everybody take a turn in each round, with ``between`` after every turn."""
        order = random.Random(f"{self.seed} {case.size} {case.setting}")  # noqa: S311 - no secret
        playing = list(contestants)
        notebook.expect(case, playing)
        for number in range(-self.warm_up, self.count):
            for contestant in order.sample(playing, len(playing)):
                try:
                    found = contestant.turn()
                except GivenUp as error:
                    where = ", ".join(filter(None, (f"{case.size:,}", case.setting)))
                    notebook.leave_out(contestant.name, f"at {where}: {error}")
                    playing.remove(contestant)
                else:
                    if number >= 0:
                        notebook.note(case, contestant, found)
                between()
                tell(contestant.weight)
