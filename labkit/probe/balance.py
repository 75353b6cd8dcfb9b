"""Whether pods got equal shares of the attempts: Pearson's chi-squared test. Pure.

The test calls a fair balance unfair at most once in a million times (`FALSE_ALARM_RATE`), if every
pod can expect `ATTEMPTS_PER_POD` attempts or more. The chi-squared distribution is only near to
that of the statistic: for so few attempts its tail is up to 2.2 times too thin (by summing the
multinomial distribution for 2 to 12 pods). `SIGNIFICANCE` leaves room for that.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

FALSE_ALARM_RATE: Final = 1e-6
"""Upper bound of the chance that a fair balance is called unfair."""
SIGNIFICANCE: Final = 3e-7
"""A tail of the chi-squared distribution below this is unfair."""
ATTEMPTS_PER_POD: Final = 20
"""With fewer the test proves nothing: 20 of 20 to one of two pods could still be chance."""


def statistic(counts: Collection[int]) -> float:
    """Return Pearson's statistic of ``counts`` against equal shares: sum of (seen - e)²/e."""
    share = sum(counts) / len(counts)
    return math.fsum((count - share) ** 2 for count in counts) / share


def tail(value: float, degrees: int) -> float:
    """Return the chance that a chi-squared variable exceeds ``value``: Q(degrees/2, value/2).

    Exact for whole degrees of freedom: the finite sums of Abramowitz and Stegun 26.4.4 and 26.4.5,
    whose terms are all positive.
    """
    if value <= 0:
        return 1.0
    half = value / 2
    log = math.log(half)
    if degrees % 2 == 0:
        terms = (math.exp(i * log - half - math.lgamma(i + 1)) for i in range(degrees // 2))
        return math.fsum(terms)
    odd = (
        math.exp((i - 0.5) * log - half - math.lgamma(i + 0.5))
        for i in range(1, (degrees + 1) // 2)
    )
    return math.erfc(math.sqrt(half)) + math.fsum(odd)


def chance_if_fair(counts: Collection[int]) -> float:
    """Return the chance of shares this unequal, or more so, if every pod is as likely; 0-1."""
    return tail(statistic(counts), len(counts) - 1) if len(counts) > 1 else 1.0


def enough(counts: Collection[int]) -> bool:
    """Return whether there were attempts enough for a verdict."""
    return sum(counts) >= ATTEMPTS_PER_POD * len(counts)


def is_uniform(counts: Collection[int]) -> bool:
    """Return whether ``counts`` pass for equal shares."""
    return chance_if_fair(counts) >= SIGNIFICANCE
