"""The rules of a lab's nodes: rendered, installed where they changed, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from labkit.cluster.model import Cluster, Node
from labkit.cluster.topology import HealthCheck, health_checks
from labkit.dataplane import cni
from labkit.dataplane.base import Change, DataPlane, Silent
from labkit.dataplane.dump.apply import DumpPlane
from labkit.kernel.netns import Namespace

Plane = DataPlane[Any]
"""What it renders, only it can apply."""
DISTRUSTED: Final = object()
"""A mark that no node has."""


class Installation:
    """Keeps every node's kernel in step with a cluster, through data planes."""

    def __init__(
        self,
        plane: Plane,
        namespace: Callable[[str], Namespace],
        own: Mapping[str, DumpPlane] | None = None,
    ) -> None:
        """Take data planes that fit this kernel, and where to find a node.

        Args:
            plane: of every node but those of ``own``.
            namespace: a node's, by its name.
            own: nodes that have rules of their own instead.
        """
        self._plane = plane
        self._own = own or {}
        self._namespace = namespace
        self._rendered: dict[str, Any] = {}
        """Each node's rules as they were rendered last."""
        self._installed: dict[str, Any] = {}
        """What each node's kernel is known to have, also one that no longer counts; nothing after
        a failure."""
        self._marks: dict[str, object] = {}
        """What each node's kernel said of itself after the last installation."""

    def prepare(self, cluster: Cluster) -> None:
        """Set what the data planes need to be set on their nodes."""
        for plane, nodes in self._by_plane(cluster):
            for node in nodes:
                self._namespace(node).write_sysctls(plane.sysctls(cluster))

    def install(self, cluster: Cluster) -> None:
        """Render the rules of every node and install what changed, on all nodes at once.

        What somebody else has taken from a node's rules since is put back.

        Raises:
            CommandError: a tool refused them.
            KernelError: the kernel refused them.
        """
        before, self._installed = self._still_held(cluster), {}
        for node in cluster.nodes:
            self._namespace(node.name).write_sysctls(cni.sysctls(cluster, node))
        wanted: dict[str, Any] = {}
        for plane, nodes in self._by_plane(cluster):
            rendered = {
                node: plane.render(cluster, cluster.node_by_name[node], self._rendered.get(node))
                for node in nodes
            }
            plane.apply(
                [
                    Change(self._namespace(node), rules, before.get(node))
                    for node, rules in rendered.items()
                    if rules != before.get(node)
                ]
            )
            wanted.update(rendered)
        self._rendered, self._installed = wanted, {**before, **wanted}
        self._marks |= {
            node: plane.mark(self._namespace(node))
            for plane, nodes in self._by_plane(cluster)
            for node in nodes
        }

    def distrust(self) -> None:
        """Read at the next installation what nodes hold, whatever their marks say.

        A mark does not show everything: see `DataPlane.mark`.
        """
        self._marks = dict.fromkeys(self._marks, DISTRUSTED)

    def _still_held(self, cluster: Cluster) -> Mapping[str, Any]:
        """What the kernel of each node has left of what was installed there.

        Only where its mark is another are the rules read: a change costs the same whether there are
        ten Services or ten thousand.
        """
        found: dict[str, Any] = dict(self._installed)
        for plane, nodes in self._by_plane(cluster):
            for node in found.keys() & set(nodes):
                namespace = self._namespace(node)
                if plane.mark(namespace) != self._marks.get(node):
                    found[node] = plane.held(namespace, found[node])
        return found

    def text(self, node: str) -> str:
        """What a node holds, as the kernel's own tools print it."""
        return self._plane_of(node).text(self._namespace(node), self._rendered[node])

    def health_checks(self, cluster: Cluster, node: Node) -> Sequence[HealthCheck]:
        """The health check ports of a node that its data plane leaves to others to serve."""
        if self._plane_of(node.name).answers_health_checks:
            return ()
        return health_checks(cluster, node)

    def logs(self) -> Mapping[str, str]:
        """What the data plane's programs have printed so far, by what messages call them."""
        return self._plane.logs()

    def confused(self, cluster: Cluster, silent: Sequence[Silent]) -> frozenset[Silent]:
        """Of attempts without an answer, those that a node's kernel took for others."""
        planes = [plane for plane, _ in self._by_plane(cluster)]
        nodes = [self._namespace(node.name) for node in cluster.nodes]
        return frozenset[Silent]().union(*(plane.confused(silent, nodes) for plane in planes))

    def clean_up(self, cluster: Cluster) -> None:
        """Make nodes forget what a change has left behind in their kernel."""
        for plane, nodes in self._by_plane(cluster):
            plane.clean_up(cluster, [self._namespace(node) for node in nodes])

    def _plane_of(self, node: str) -> Plane:
        return self._own.get(node, self._plane)

    def _by_plane(self, cluster: Cluster) -> Sequence[tuple[Plane, Sequence[str]]]:
        """Each data plane with the names of its nodes."""
        others = [node.name for node in cluster.nodes if node.name not in self._own]
        return [(self._plane, others), *((plane, [node]) for node, plane in self._own.items())]
