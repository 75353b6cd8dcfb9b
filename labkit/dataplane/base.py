"""What every data plane can do: render a node's rules, which is pure, and apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self, TypeAlias

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.rules import Ruleset
from labkit.kernel.netns import Namespace

Rules: TypeAlias = Ruleset
"""What a data plane renders for one node."""


class Change(NamedTuple):
    """Rules to install on one node, and those that it has; None for a node without any."""

    namespace: Namespace
    rules: Rules
    previous: Rules | None


class DataPlane(Protocol):
    """What turns Services into kernel state."""

    @property
    def name(self) -> str:
        """The Lab's word for it."""
        ...

    def fitted(self, namespace: Namespace) -> Self:
        """Return the same data plane, made to fit what this kernel has."""
        ...

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """What it needs to be set on every node."""
        ...

    def render(self, cluster: Cluster, node: Node) -> Rules:
        """Return a node's rules; pure."""
        ...

    def apply(self, changes: Sequence[Change]) -> None:
        """Install rules on nodes, all at the same time.

        Raises:
            CommandError: a tool refused them; tables that it had committed by then stay.
        """
        ...

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Make nodes forget what a change of a running lab has left behind in their kernel.

        Raises:
            KernelError: the kernel refused.
        """
        ...
