"""How objects and Services' ports are called."""

from __future__ import annotations

from typing import Final, NamedTuple

DEFAULT_NAMESPACE: Final = "default"
"""The Kubernetes Namespace whose objects are shown without their Namespace's name."""


class ObjectName(NamedTuple):
    """A namespaced Kubernetes name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def shown(self) -> str:
        """The name as reports print it: without ``default/``."""
        return self.name if self.namespace == DEFAULT_NAMESPACE else str(self)


class ServicePortName(NamedTuple):
    """kube-proxy's key of one port of one Service, printed ``namespace/name:port``."""

    namespace: str
    name: str
    port: str

    def __str__(self) -> str:
        suffix = f":{self.port}" if self.port else ""
        return f"{self.namespace}/{self.name}{suffix}"
