"""Who asks for what: so that a changed object concerns those alone that ask for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V", bound="tuple[str, ...]")


class Index(Generic[K, V]):
    """Names under what they ask for; copies share what is under a place until it changes."""

    def __init__(self) -> None:
        self._found: dict[K, V | set[V]] = {}
        """A name that is alone stands for itself: ten thousand sets of one are dear."""
        self._own: set[K] = set()
        """Places whose set no copy has."""

    def copy(self) -> Index[K, V]:
        """Return the same, to be changed."""
        other = Index[K, V]()
        other._found = self._found.copy()
        self._own = set()
        return other

    def under(self, place: K) -> Iterable[V]:
        """The names there."""
        there = self._found.get(place)
        if there is None:
            return ()
        return there if isinstance(there, set) else (there,)

    def add(self, places: Iterable[K], key: V) -> None:
        """Put a name in each place."""
        for place in places:
            if place in self._found:
                self._owned(place).add(key)
            else:
                self._found[place] = key

    def remove(self, places: Iterable[K], key: V) -> None:
        """Take a name out of each place; it is there."""
        for place in places:
            if self._found[place] == key:
                del self._found[place]
                continue
            left = self._owned(place)
            left.remove(key)
            if not left:
                del self._found[place]

    def _owned(self, place: K) -> set[V]:
        there = self._found[place]
        if place not in self._own or not isinstance(there, set):
            there = set(there) if isinstance(there, set) else {there}
            self._found[place] = there
            self._own.add(place)
        return there
