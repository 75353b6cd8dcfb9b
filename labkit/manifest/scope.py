"""What exists in a scenario, for the rules that look from one object to another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from labkit.manifest import kinds
from labkit.manifest.key import Key
from labkit.manifest.loaded import Loaded
from labkit.manifest.selection import Labelled, Selection
from labkit.manifest.tree import Node


class PodShape(NamedTuple):
    """What other objects ask of a pod; None stands for one that could not be decoded."""

    key: Key
    labels: Mapping[str, str]
    spec: kinds.PodSpec


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Everything with a name. Objects that could not be decoded are known by name only."""

    lab: kinds.Lab | None
    """None if it could not be decoded: then nobody knows which hosts there are."""
    pods: Mapping[str, PodShape | None]
    """By the name that reports print, replicas of workloads included."""
    services: Mapping[Key, kinds.Service | None]
    selection: Selection[PodShape]
    """Pods by their labels."""

    @cached_property
    def nodes(self) -> Sequence[str]:
        """Names of nodes."""
        return [node.name for node in self.lab.spec.nodes] if self.lab else []

    @cached_property
    def clients(self) -> Sequence[str]:
        """Names of clients."""
        return [client.name for client in clients(self.lab.spec)] if self.lab else []

    @cached_property
    def complete(self) -> bool:
        """Whether every object could be decoded, so that a name not here does not exist."""
        return self.lab is not None and None not in self.pods.values()

    def lacks_node(self, name: str) -> bool:
        """Whether there is no node of this name for sure."""
        return self.lab is not None and name not in self._node_names

    def selected(self, namespace: str, selector: Mapping[str, str] | None) -> Sequence[PodShape]:
        """The pods that a Service's selector means."""
        return self.selection.selected(namespace, selector)

    @cached_property
    def _node_names(self) -> frozenset[str]:
        return frozenset(self.nodes)


def clients(lab: kinds.LabSpec) -> Sequence[kinds.LabClient]:
    """The Lab's clients: one named ``client`` if it says nothing."""
    return [kinds.LabClient(name="client")] if lab.clients is None else lab.clients


def build_scope(lab: kinds.Lab | None, objects: Sequence[Loaded]) -> Scope:
    """Collect what has a name."""
    pods: dict[str, PodShape | None] = {}
    services: dict[Key, kinds.Service | None] = {}
    for loaded in objects:
        pods.update(shapes(loaded))
        if loaded.kind == "Service":
            services[loaded.key] = loaded.value if isinstance(loaded.value, kinds.Service) else None
    return Scope(lab=lab, pods=pods, services=services, selection=selection_of(pods))


def changed_scope(scope: Scope, gone: Iterable[Loaded], new: Sequence[Loaded]) -> Scope:
    """What has a name once some objects have gone and others have come."""
    lost = {name for each in gone for name in shapes(each)}
    found = {name: pod for each in new for name, pod in shapes(each).items()}
    if lost or found:
        pods = {name: pod for name, pod in scope.pods.items() if name not in lost} | found
        scope = replace(scope, pods=pods, selection=selection_of(pods))
    services = {**scope.services}
    for each in gone:
        if each.kind == "Service":
            del services[each.key]
    for each in new:
        if isinstance(each.value, kinds.Service):
            services[each.key] = each.value
    return replace(scope, services=services)


def selection_of(pods: Mapping[str, PodShape | None]) -> Selection[PodShape]:
    """Pods by their labels; those that could not be decoded have none."""
    shapes = (pod for pod in pods.values() if pod is not None)
    return Selection(Labelled(pod.key.namespace, pod.labels, pod) for pod in shapes)


def shapes(loaded: Loaded) -> Mapping[str, PodShape | None]:
    """The pods that an object stands for, by the name that reports print."""
    value, key = loaded.value, loaded.key
    if isinstance(value, kinds.Workload):
        return {pod.key.shown: pod for pod in replicas(key, value)}
    if isinstance(value, kinds.Pod):
        return {key.shown: PodShape(key, value.metadata.labels, value.spec)}
    return {key.shown: None} if loaded.kind == "Pod" or loaded.kind in WORKLOADS else {}


def lab_of(objects: Sequence[Loaded]) -> Loaded:
    """The Lab; where a file has none, one without value at the head of the file."""
    for loaded in objects:
        if loaded.kind == "Lab":
            return loaded
    first = objects[0] if objects else Loaded("", None, Node(None, 0, 0), "<objects>")
    nowhere = Node(None, min(first.root.line, 1), 1)
    return Loaded("Lab", None, nowhere, first.file)


WORKLOADS = frozenset({"Deployment", "ReplicaSet"})
MOST_REPLICAS = 10_000
"""More pods of one workload than any machine's lab can hold; a typo must not fill the memory."""


def replicas(key: Key, workload: kinds.Workload) -> Iterator[PodShape]:
    """The pods that a workload stands for, named ``NAME-1``, ``NAME-2`` and so on."""
    template = workload.spec.template
    for number in range(1, min(workload.spec.replicas, MOST_REPLICAS) + 1):
        pod = Key(key.namespace, workload.replica_name(number))
        yield PodShape(pod, template.metadata.labels, template.spec)
