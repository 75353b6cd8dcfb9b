"""What two scenarios or clusters do not share: told by identity, which costs next to nothing."""

from __future__ import annotations

from collections.abc import Sequence
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
    old, now = set(map(id, before)), set(map(id, after))
    new = [each for each in after if id(each) not in old]
    gone = [each for each in before if id(each) not in now]
    stayed_before = [each for each in map(id, before) if each in now]
    stayed_after = [each for each in map(id, after) if each in old]
    return Difference(new, gone) if stayed_before == stayed_after else None
