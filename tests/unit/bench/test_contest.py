"""Contestants take turns; what they measure is kept by round."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from labkit.bench.contest import Case, Contestant, GivenUp, Notebook, Rounds, Turn, chosen
from labkit.bench.results import LeftOut, Metric
from labkit.errors import LabError
from tests.unit.bench.examples import MACHINE

SECONDS = Metric("set-up", "s")
FREE = Metric("tear-down", "s", compared=False)
CASE = Case(size=10, setting="1 node")


class Log:
    """Who had a turn, and what it measured: how many turns there were before."""

    def __init__(self) -> None:
        self.turns: list[str] = []

    def of(self, name: str) -> Turn:
        def turn() -> Mapping[Metric, float]:
            self.turns.append(name)
            return {SECONDS: float(len(self.turns))}

        return turn


def contestant(name: str, turn: Turn, beside: str = "") -> Contestant:
    return Contestant(name=name, label=name.upper(), turn=turn, beside=beside)


def play(rounds: Rounds, *contestants: Contestant) -> Notebook:
    notebook = Notebook(MACHINE)
    rounds.play(CASE, contestants, notebook, tell=lambda _: None)
    return notebook


def test_everybody_has_one_turn_a_round() -> None:
    log = Log()

    notebook = play(
        Rounds(count=4, seed=1), *(contestant(name, log.of(name)) for name in ("a", "b", "c"))
    )

    rounds = [log.turns[start : start + 3] for start in range(0, 12, 3)]
    assert [sorted(names) for names in rounds] == [["a", "b", "c"]] * 4
    assert [each.contestant for each in notebook.run().measurements] == ["a", "b", "c"]
    for each in notebook.run().measurements:
        own = [n for n, name in enumerate(log.turns, 1) if name == each.contestant]
        assert list(each.values) == own


def test_the_seed_decides_who_begins() -> None:
    def order(seed: int) -> list[str]:
        log = Log()
        names = ("a", "b", "c", "d")
        play(Rounds(count=5, seed=seed), *(contestant(name, log.of(name)) for name in names))
        return log.turns

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert len({tuple(order(1)[start : start + 4]) for start in range(0, 20, 4)}) > 1


def test_a_round_to_get_warm_is_not_counted() -> None:
    log = Log()

    notebook = play(Rounds(count=2, seed=0, warm_up=True), contestant("a", log.of("a")))

    (found,) = notebook.run().measurements
    assert found.values == (2.0, 3.0)


def test_a_tool_that_gives_up_is_left_out_and_the_others_go_on() -> None:
    log = Log()

    def gives_up() -> Mapping[Metric, float]:
        raise GivenUp("too many hosts")

    notebook = play(
        Rounds(count=3, seed=0), contestant("munet", gives_up), contestant("a", log.of("a"))
    )

    assert notebook.run().left_out == (
        LeftOut(contestant="munet", why="at 10, 1 node: too many hosts"),
    )
    assert log.turns == ["a"] * 3


def test_a_failure_of_labkit_is_raised() -> None:
    def fails() -> Mapping[Metric, float]:
        raise LabError("a bridge is full")

    with pytest.raises(LabError, match="a bridge is full"):
        play(Rounds(count=1, seed=0), contestant("labkit", fails))


def test_what_cannot_be_compared_has_no_measure() -> None:
    both = {SECONDS: 1.0, FREE: 2.0}

    notebook = play(Rounds(count=1, seed=0), contestant("labkit", lambda: both, beside="floor"))

    found = {each.metric: each.beside for each in notebook.run().measurements}
    assert found == {"set-up": "floor", "tear-down": ""}


def test_between_turns_something_else_is_waited_for_and_progress_is_told() -> None:
    log, told = Log(), list[float]()

    Rounds(count=2, seed=0).play(
        CASE,
        [contestant("a", log.of("a"))],
        Notebook(MACHINE),
        tell=told.append,
        between=lambda: log.turns.append("settled"),
    )

    assert log.turns == ["a", "settled", "a", "settled"]
    assert told == [1, 1]


def test_names_keep_their_usual_order() -> None:
    assert list(chosen(("a", "b", "c"), ("c", "a"))) == ["a", "c"]
    assert list(chosen(("a", "b", "c"), ())) == ["a", "b", "c"]
