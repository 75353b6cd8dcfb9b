"""What a label selector means, found without asking every object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

Label: TypeAlias = tuple[str, str, str]
"""A Namespace, and the name and value of a label there."""


class Labelled(NamedTuple, Generic[T]):
    """Something that a selector can mean: its Namespace, its labels, itself."""

    namespace: str
    labels: Mapping[str, str]
    item: T


class Selection(Generic[T]):
    """Things by Namespace and label. A selector asks those alone that have its rarest label."""

    def __init__(self, things: Iterable[Labelled[T]] = ()) -> None:
        self._by_label: dict[Label, list[Labelled[T]]] = {}
        for thing in things:
            for name, value in thing.labels.items():
                self._by_label.setdefault((thing.namespace, name, value), []).append(thing)

    def selected(self, namespace: str, selector: Mapping[str, str] | None) -> Sequence[T]:
        """What a selector in ``namespace`` means, in the order given; nothing without one."""
        if not selector:
            return ()
        having = [self._by_label.get((namespace, *label), ()) for label in selector.items()]
        rarest = min(having, key=len)
        if len(having) == 1:
            return [thing.item for thing in rarest]
        wanted = selector.items()
        return [thing.item for thing in rarest if wanted <= thing.labels.items()]


def place_of(namespace: str, selector: Mapping[str, str] | None) -> list[Label]:
    """One label that everything has which a selector means; none of an empty one."""
    return [(namespace, *min(selector.items()))] if selector else []
