"""What is installed again, and what is believed to be there still."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from labkit.cluster.model import Cluster, Node
from labkit.dataplane.base import Change, DataPlane
from labkit.kernel.netns import Namespace
from labkit.lab.installation import Installation
from tests.unit.dataplane.clusters import WEB, cluster

Rules = tuple[str, ...]
LAB = cluster(WEB)


class Nodes:
    """A data plane whose nodes can lose their rules, seen by their mark or not."""

    def __init__(self) -> None:
        self.held_rules: Rules | None = None
        self.number = 0
        self.read = 0
        self.applied: list[Rules | None] = []
        """What each node had when rules were installed on it."""

    def render(self, cluster: Cluster, node: Node, _previous: Rules | None = None) -> Rules:
        return ("rules", node.name, str(len(cluster.services)))

    def apply(self, changes: Sequence[Change[Rules]]) -> None:
        self.applied += [change.previous for change in changes]

    def mark(self, _: Namespace) -> object:
        return self.number

    def held(self, _: Namespace, __: Rules) -> Rules | None:
        self.read += 1
        return self.held_rules


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.fixture
def installation(nodes: Nodes) -> Installation:
    class NoKernel:
        def write_sysctls(self, values: object) -> None:
            pass

    find = cast("Callable[[str], Namespace]", lambda _: NoKernel())
    made = Installation(cast("DataPlane[Any]", nodes), find)
    made.install(LAB)
    nodes.applied.clear()
    return made


def test_rules_that_nobody_has_touched_are_not_read(
    installation: Installation, nodes: Nodes
) -> None:
    installation.install(LAB)

    assert (nodes.read, nodes.applied) == (0, [])


def test_rules_that_somebody_has_touched_are_read_and_mended(
    installation: Installation, nodes: Nodes
) -> None:
    nodes.number += 1

    installation.install(LAB)

    assert (nodes.read, nodes.applied) == (len(LAB.nodes), [None] * len(LAB.nodes))


def test_damage_that_no_mark_shows_is_found_when_it_is_asked_for(
    installation: Installation, nodes: Nodes
) -> None:
    installation.distrust()
    installation.install(LAB)
    assert (nodes.read, nodes.applied) == (len(LAB.nodes), [None] * len(LAB.nodes))

    installation.install(LAB)
    assert nodes.read == len(LAB.nodes)
