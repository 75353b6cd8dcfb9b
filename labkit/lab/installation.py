"""The rules of a lab's nodes: rendered, installed where they changed, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from labkit.cluster.model import Cluster
from labkit.dataplane.base import Change, DataPlane, Rules, Silent
from labkit.kernel.netns import Namespace


class Installation:
    """Keeps every node's kernel in step with a cluster, through one data plane."""

    def __init__(self, plane: DataPlane[Any], namespace: Callable[[str], Namespace]) -> None:
        """Take a data plane that fits this kernel, and where to find a node."""
        self.rules: dict[str, Rules] = {}
        """Each node's rules as they were rendered last."""
        self._plane = plane
        self._namespace = namespace
        self._installed: dict[str, Rules] = {}
        """What each node's kernel is known to have; nothing after a failure."""

    def prepare(self, cluster: Cluster) -> None:
        """Set what the data plane needs to be set on every node."""
        for node in cluster.nodes:
            self._namespace(node.name).write_sysctls(self._plane.sysctls(cluster))

    def install(self, cluster: Cluster) -> None:
        """Render the rules of every node and install what changed, on all nodes at once.

        Raises:
            CommandError: a tool refused them.
            KernelError: the kernel refused them.
        """
        wanted = {node.name: self._plane.render(cluster, node) for node in cluster.nodes}
        changes = [
            Change(self._namespace(name), rules, self._installed.get(name))
            for name, rules in wanted.items()
            if rules != self._installed.get(name)
        ]
        self._installed = {}
        self._plane.apply(changes)
        self.rules = self._installed = wanted

    def confused(self, cluster: Cluster, silent: Sequence[Silent]) -> frozenset[Silent]:
        """Of attempts without an answer, those that a node's kernel took for others."""
        return self._plane.confused(silent, self._nodes(cluster))

    def clean_up(self, cluster: Cluster) -> None:
        """Make nodes forget what a change has left behind in their kernel."""
        self._plane.clean_up(cluster, self._nodes(cluster))

    def _nodes(self, cluster: Cluster) -> list[Namespace]:
        return [self._namespace(node.name) for node in cluster.nodes]
