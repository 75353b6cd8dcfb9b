"""Names of objects: a Kubernetes Namespace and a name in it."""

from __future__ import annotations

from typing import Final, NamedTuple

DEFAULT_NAMESPACE: Final = "default"
CLUSTER_WIDE: Final = frozenset({"Lab", "Check", "Namespace", "Node"})
"""Kinds whose objects are in no Namespace."""


class Key(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    name: str

    @property
    def shown(self) -> str:
        """The name as reports print it: without ``default/``."""
        short = self.namespace == DEFAULT_NAMESPACE
        return self.name if short else f"{self.namespace}/{self.name}"
