from __future__ import annotations

import math

import pytest

from labkit.probe import balance

# NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.4, upper-tail critical values.
CRITICAL = [
    (1, 0.05, 3.841),
    (1, 0.001, 10.828),
    (2, 0.05, 5.991),
    (2, 0.001, 13.816),
    (5, 0.01, 15.086),
    (9, 0.05, 16.919),
    (10, 0.001, 29.588),
    (30, 0.05, 43.773),
    (49, 0.001, 85.351),
    (100, 0.01, 135.807),
]


@pytest.mark.parametrize(("degrees", "chance", "critical"), CRITICAL)
def test_the_tail_agrees_with_the_table(degrees: int, chance: float, critical: float) -> None:
    assert balance.tail(critical, degrees) == pytest.approx(chance, rel=2e-3)


def test_nothing_exceeds_less_than_nothing() -> None:
    assert balance.tail(0.0, 3) == 1.0


def test_the_statistic_is_pearsons() -> None:
    # (12-10)²/10 + (8-10)²/10
    assert balance.statistic([12, 8]) == pytest.approx(0.8)


@pytest.mark.parametrize("pods", [2, 3, 4])
def test_a_fair_balance_is_called_unfair_at_most_once_in_a_million(pods: int) -> None:
    attempts = pods * balance.ATTEMPTS_PER_POD

    alarms = sum(
        chance
        for squares, chance in sums_of_squares(attempts, pods).items()
        if balance.tail(squares * pods / attempts - attempts, pods - 1) < balance.SIGNIFICANCE
    )

    assert 0 < alarms <= balance.FALSE_ALARM_RATE


@pytest.mark.parametrize(
    "counts", [[100, 100, 100], [118, 96, 86], [20, 20]], ids=["equal", "by chance", "few"]
)
def test_shares_that_chance_explains_pass(counts: list[int]) -> None:
    assert balance.enough(counts)
    assert balance.is_uniform(counts)


@pytest.mark.parametrize(
    "counts", [[150, 75, 75], [300, 0, 0], [40, 0]], ids=["double", "one only", "as few as can be"]
)
def test_shares_that_chance_does_not_explain_fail(counts: list[int]) -> None:
    assert balance.enough(counts)
    assert not balance.is_uniform(counts)


def test_one_pod_has_an_equal_share() -> None:
    assert balance.is_uniform([20])


def sums_of_squares(attempts: int, pods: int) -> dict[int, float]:
    """The exact chance of each sum of squared counts, by adding pods one at a time."""
    chances = {(0, 0): 1.0}
    for left in range(pods, 0, -1):
        following: dict[tuple[int, int], float] = {}
        for (used, squares), chance in chances.items():
            rest = attempts - used
            for count in range(rest + 1) if left > 1 else (rest,):
                share = (
                    math.comb(rest, count) * (1 / left) ** count * (1 - 1 / left) ** (rest - count)
                )
                key = (used + count, squares + count * count)
                following[key] = following.get(key, 0.0) + chance * share
        chances = following
    return {squares: chance for (_used, squares), chance in chances.items()}
