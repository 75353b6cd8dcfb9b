"""A data plane that takes the time of what another one does, and sees what memory that took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from labkit.bench.machine import kernel_memory
from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, DataPlane, Silent
from labkit.kernel.netns import Namespace


@dataclass(kw_only=True)
class Times:
    """Seconds and bytes of the last installation."""

    render_s: float = 0.0
    apply_s: float = 0.0
    kernel_bytes: int = 0
    rendered: list[Any] = field(default_factory=list)
    """What was rendered last, for a node each."""


class Timed:
    """Everything is the other data plane's; `times` says what it took."""

    def __init__(self, plane: DataPlane[Any], times: Times) -> None:
        self._plane = plane
        self.times = times

    @property
    def answers_health_checks(self) -> bool:
        return self._plane.answers_health_checks

    @property
    def name(self) -> str:
        return self._plane.name

    @property
    def needs(self) -> tuple[str, ...]:
        return self._plane.needs

    def fitted(self, namespace: Namespace) -> Timed:
        return Timed(self._plane.fitted(namespace), self.times)

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:
        return self._plane.sysctls(cluster)

    def render(self, cluster: Cluster, node: Node, previous: object = None) -> object:
        """Render, and take the time; of one node, as there is one."""
        began = time.perf_counter()
        rendered = self._plane.render(cluster, node, previous)
        self.times.render_s = time.perf_counter() - began
        self.times.rendered = [rendered]
        return rendered

    def apply(self, changes: Sequence[Change[Any]]) -> None:
        """Install, take the time, and see what memory the kernel has less after it."""
        before = kernel_memory()
        began = time.perf_counter()
        self._plane.apply(changes)
        self.times.apply_s = time.perf_counter() - began
        self.times.kernel_bytes = kernel_memory() - before

    def mark(self, namespace: Namespace) -> object:
        return self._plane.mark(namespace)

    def held(self, namespace: Namespace, rules: object) -> object:
        return self._plane.held(namespace, rules)

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        return self._plane.confused(silent, namespaces)

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        self._plane.clean_up(cluster, namespaces)

    def text(self, namespace: Namespace, rules: object) -> str:
        return self._plane.text(namespace, rules)

    def logs(self) -> Mapping[str, str]:
        return self._plane.logs()

    def close(self) -> None:
        self._plane.close()
