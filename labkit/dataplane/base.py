"""What every data plane can do: render a node's rules, which is pure, and apply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

from labkit.cluster.model import Cluster, Node
from labkit.cluster.model import Protocol as TransportProtocol
from labkit.kernel.netns import Namespace


class Rules(Protocol):
    """Everything that a data plane keeps in one node's kernel, as frozen data."""

    def text(self) -> str:
        """The rules as the kernel's own tools print them."""
        ...


R = TypeVar("R")


class Change(NamedTuple, Generic[R]):
    """Rules to install on one node, and those that it has; None for a node without any."""

    namespace: Namespace
    rules: R
    previous: R | None


class Silent(NamedTuple):
    """An attempt that got no answer: where from and where to."""

    protocol: TransportProtocol
    sport: int
    destination: IPv4Address
    dport: int


class DataPlane(Protocol[R]):
    """What turns Services into kernel state; ``R`` is what it renders for one node."""

    @property
    def answers_health_checks(self) -> bool:
        """Whether it serves the health check ports of Services itself."""
        ...

    @property
    def name(self) -> str:
        """The Lab's word for it."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that the kernel must have, by their names in `labkit.kernel.features`.

        Those that decide between this kernel and a guest; what every lab needs is not among them.
        """
        ...

    def fitted(self, namespace: Namespace) -> Self:
        """Return the same data plane, made to fit what this kernel has.

        Raises:
            MissingFeature: this kernel or machine lacks what it needs.
        """
        ...

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        """What it needs to be set on every node."""
        ...

    def render(self, cluster: Cluster, node: Node, previous: R | None = None) -> R:
        """Return a node's rules; pure.

        Args:
            cluster: the desired state.
            node: whose rules.
            previous: what was rendered for that node before. What of it came from the same Service
                (the same object) and the same endpoints is used again. It never changes the result.
        """
        ...

    def apply(self, changes: Sequence[Change[R]]) -> None:
        """Install rules on nodes, all at the same time.

        Raises:
            CommandError: a tool refused them; tables that it had committed by then stay.
            KernelError: the kernel refused them.
        """
        ...

    def mark(self, namespace: Namespace) -> object:
        """Return something that is another once anybody has changed what it keeps on a node.

        Asked before and after every change of a lab: it costs little, and says no more.
        """
        ...

    def held(self, namespace: Namespace, rules: R) -> R | None:
        """Return what of its rules a node's kernel still holds, in a form to go on from.

        None if it is best to install everything anew. What others have added does not count.

        Raises:
            LabError: it cannot be read.
        """
        ...

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        """Of attempts without an answer, those that a node's kernel took for others.

        They say nothing of the rules and are made again. Each needs the kernel's own testimony.

        Raises:
            LabError: the kernel does not tell.
        """
        ...

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Make nodes forget what a change of a running lab has left behind in their kernel.

        Raises:
            KernelError: the kernel refused.
        """
        ...

    def text(self, namespace: Namespace, rules: R) -> str:
        """What a node holds, as the kernel's own tools print it.

        Raises:
            LabError: it cannot be read.
        """
        ...

    def logs(self) -> Mapping[str, str]:
        """What its programs have printed so far, by what messages call them."""
        ...

    def close(self) -> None:
        """End everything that it keeps running."""
        ...


class Renders:
    """A data plane that is done once it has installed what it rendered: nothing of it runs."""

    __slots__ = ()

    @property
    def answers_health_checks(self) -> bool:
        """No."""
        return False

    def text(self, namespace: Namespace, rules: Rules) -> str:  # noqa: ARG002 - the interface's
        """What was rendered."""
        return rules.text()

    def logs(self) -> Mapping[str, str]:
        """Nothing: there is no program."""
        return {}

    def close(self) -> None:
        """Nothing to end."""


class KeepsFlowsApart:
    """A data plane whose kernel never takes one flow for another: conntrack sees to that."""

    __slots__ = ()

    def confused(
        self,
        silent: Sequence[Silent],  # noqa: ARG002 - the interface's
        namespaces: Sequence[Namespace],  # noqa: ARG002
    ) -> frozenset[Silent]:
        """None."""
        return frozenset()
