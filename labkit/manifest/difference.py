"""What two sequences of objects do not share: told by identity, at the speed of C.

Ten thousand objects that stay as they are must not cost ten thousand lines of Python each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress, filterfalse
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Difference(NamedTuple, Generic[T]):
    """What came and what went, both in their order; a changed object is in both."""

    new: Sequence[T]
    gone: Sequence[T]


def difference(before: Sequence[T], after: Sequence[T]) -> Difference[T] | None:
    """Return the objects that only one of two sequences has, told by identity.

    None where those that both have are in another order: then nothing can be kept for sure.
    """
    if before is after:
        return Difference((), ())
    old, now = list(map(id, before)), list(map(id, after))
    came, went = set(now).difference(old), set(old).difference(now)
    if list(filterfalse(went.__contains__, old)) != list(filterfalse(came.__contains__, now)):
        return None
    is_new, is_gone = [each in came for each in now], [each in went for each in old]
    return Difference(list(compress(after, is_new)), list(compress(before, is_gone)))


def fresh(before: Iterable[T], after: Sequence[T]) -> list[T]:
    """Return the objects of ``after`` that are not in ``before``, told by identity."""
    old = set(map(id, before))
    is_new = [each not in old for each in map(id, after)]
    return list(compress(after, is_new))


def without(before: Iterable[T], lost: Iterable[T]) -> list[T]:
    """Return the objects of ``before`` that are not among ``lost``, told by identity."""
    there, gone = list(before), set(map(id, lost))
    stays = [each not in gone for each in map(id, there)]
    return list(compress(there, stays))
