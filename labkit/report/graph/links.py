"""Which Service leads where, as lines for the formats that draw lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from labkit.report.graph.topology import State, Topology

LINES_SHOWN = 200
"""With more of them, nobody can follow one."""


class Link(NamedTuple):
    """A Service leads to a spot of pods, or to a node with some of its pods."""

    service: int
    """Its number."""
    node: int
    """The node's place, from 0."""
    spot: int | None
    """The spot's place on its node, from 0; None for the node."""
    ready: bool
    """Whether an endpoint that is ready is there."""


def links(topology: Topology, shown: int) -> tuple[Link, ...]:
    """Return the lines from the first ``shown`` Services.

    To pods; where those are more than `LINES_SHOWN`, to nodes; where those are too, none: the
    Services say how many endpoints they have.
    """
    to_pods = tuple(each for each in _to_pods(topology) if each.service <= shown)
    if len(to_pods) <= LINES_SHOWN:
        return to_pods
    ready: dict[tuple[int, int], bool] = {}
    for each in to_pods:
        key = each.service, each.node
        ready[key] = ready.get(key, False) or each.ready
    if len(ready) > LINES_SHOWN:
        return ()
    return tuple(Link(service, node, None, is_ready) for (service, node), is_ready in ready.items())


def _to_pods(topology: Topology) -> Iterator[Link]:
    ready = {State.READY, State.PARTLY}
    for place, node in enumerate(topology.nodes):
        for spot_place, spot in enumerate(node.spots):
            for number, state in spot.services:
                yield Link(number, place, spot_place, state in ready)
