"""Pods on the way from one cluster to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import NamedTuple

from labkit.cluster.mapped import Placed, aliases
from labkit.cluster.model import Node, Pod
from labkit.cluster.object_names import ObjectName
from labkit.cluster.pod_index import PodIndex
from labkit.cluster.pods import build_pods
from labkit.manifest import kinds
from labkit.manifest.difference import difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """The pods of a cluster, and by what they are found."""

    scenario: kinds.Scenario
    placed: PodIndex
    """Before those of a real cluster got the ports that they serve."""
    served: PodIndex
    dumped: frozenset[ObjectName] = frozenset()
    """Those of a real cluster: what they run is in their images, not in the files."""
    known: Mapping[str, str]
    """Addresses in the lab by those that the real cluster has."""


def next_pods(
    before: Pods, scenario: kinds.Scenario, nodes: Sequence[Node], previous: tuple[Pod, ...]
) -> Pods:
    """The pods of ``scenario``, as yet without the ports that they serve without telling.

    Args:
        before: what was known; its pods that did not change are the same objects again.
        scenario: the next one.
        nodes: the lab's nodes.
        previous: the pods of the running lab, which keep what they were given.
    """
    old, placed, dumped = before.scenario, before.placed, before.dumped
    if scenario.pods is not old.pods or scenario.workloads is not old.workloads:
        made = build_pods(scenario, nodes, {pod.key: pod for pod in previous})
        pods = same_objects(made, placed.pods or previous)
        placed = placed if pods is placed.pods else PodIndex(pods)
        dumped = frozenset(_key(pod) for pod in scenario.pods if pod.status.phase)
    known = before.known
    if placed is not before.placed or scenario.displaced is not old.displaced:
        found = aliases(scenario.displaced, Placed(nodes=nodes, pods=placed.pods))
        known = known if known == found else found
    return replace(before, scenario=scenario, placed=placed, dumped=dumped, known=known)


def same_objects(pods: tuple[Pod, ...], before: tuple[Pod, ...]) -> tuple[Pod, ...]:
    """The same pods, where one is as before that very object; where all are, that very tuple."""
    old = {pod.key: pod for pod in before}
    shared = tuple(was if (was := old.get(pod.key)) == pod else pod for pod in pods)
    return before if [*map(id, shared)] == [*map(id, before)] else shared


def changed_pods(before: Pods, after: Pods) -> Iterator[Pod]:
    """Every pod that came, went or changed, as it was and as it is.

    One that was given anew counts, though it be the same: the order of pods may be another.
    """
    if before.served is after.served and before.placed is after.placed:
        return
    manifests = difference(before.scenario.pods, after.scenario.pods)
    workloads = difference(before.scenario.workloads, after.scenario.workloads)
    again = {_key(each) for each in manifests.new} if manifests else set()
    was, now = _parted(before.served, again), _parted(after.served, again)
    pods = difference(was.others, now.others)
    if pods is None or manifests is None or workloads is None or workloads.new:
        yield from before.served.pods
        yield from after.served.pods
        return
    yield from (*was.named, *now.named, *pods.gone, *pods.new)


class _Parted(NamedTuple):
    named: Sequence[Pod]
    others: Sequence[Pod]


def _parted(pods: PodIndex, names: Set[ObjectName]) -> _Parted:
    named = [pod for pod in pods.pods if pod.key in names]
    return _Parted(named, [pod for pod in pods.pods if pod.key not in names])


def _key(pod: kinds.Pod) -> ObjectName:
    return ObjectName(pod.metadata.namespace, pod.metadata.name)
