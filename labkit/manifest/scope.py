"""What exists in a scenario, for the rules that look from one object to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from labkit.manifest import kinds
from labkit.manifest.loaded import Loaded
from labkit.manifest.tree import Node, find

DEFAULT_NAMESPACE = "default"


class Key(NamedTuple):
    """Namespace and name of an object."""

    namespace: str
    name: str

    @property
    def shown(self) -> str:
        """The name as reports print it: without ``default/``."""
        short = self.namespace == DEFAULT_NAMESPACE
        return self.name if short else f"{self.namespace}/{self.name}"


class PodShape(NamedTuple):
    """What other objects ask of a pod; None stands for one that could not be decoded."""

    key: Key
    labels: Mapping[str, str]
    spec: kinds.PodSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Everything with a name. Objects that could not be decoded are known by name only."""

    lab: kinds.Lab | None
    """None if it could not be decoded: then nobody knows which hosts there are."""
    pods: Mapping[str, PodShape | None]
    """By the name that reports print, replicas of workloads included."""
    services: Mapping[Key, kinds.Service | None]

    @property
    def nodes(self) -> Sequence[str]:
        """Names of nodes."""
        return [node.name for node in self.lab.spec.nodes] if self.lab else []

    @property
    def clients(self) -> Sequence[str]:
        """Names of clients."""
        return [client.name for client in clients(self.lab.spec)] if self.lab else []

    @property
    def complete(self) -> bool:
        """Whether every object could be decoded, so that a name not here does not exist."""
        return self.lab is not None and None not in self.pods.values()

    def selected(self, namespace: str, selector: Mapping[str, str] | None) -> Iterator[PodShape]:
        """The pods that a Service's selector means."""
        for pod in self.pods.values():
            here = pod is not None and pod.key.namespace == namespace
            if pod and here and selector and selector.items() <= pod.labels.items():
                yield pod


def clients(lab: kinds.LabSpec) -> Sequence[kinds.LabClient]:
    """The Lab's clients: one named ``client`` if it says nothing."""
    return [kinds.LabClient(name="client")] if lab.clients is None else lab.clients


def key_of(loaded: Loaded) -> Key:
    """Namespace and name of any object, decoded or not; Nodes and the like have no Namespace."""
    if loaded.kind in CLUSTER_WIDE:
        return Key("", _text(loaded, "name"))
    return Key(_text(loaded, "namespace") or DEFAULT_NAMESPACE, _text(loaded, "name"))


CLUSTER_WIDE = frozenset({"Lab", "Check", "Namespace", "Node"})


def _text(loaded: Loaded, field: str) -> str:
    node = find(loaded.root, ("metadata", field))
    return node.value if node and isinstance(node.value, str) else ""


def build_scope(lab: kinds.Lab | None, objects: Sequence[Loaded]) -> Scope:
    """Collect what has a name."""
    pods: dict[str, PodShape | None] = {}
    services: dict[Key, kinds.Service | None] = {}
    for loaded in objects:
        value, key = loaded.value, key_of(loaded)
        if loaded.kind == "Pod":
            pods[key.shown] = _shape(key, value)
        elif loaded.kind == "Service":
            services[key] = value if isinstance(value, kinds.Service) else None
        elif isinstance(value, kinds.Workload):
            pods.update((pod.key.shown, pod) for pod in replicas(key, value))
        elif loaded.kind in WORKLOADS:
            pods[key.shown] = None
    return Scope(lab=lab, pods=pods, services=services)


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


def _shape(key: Key, value: object) -> PodShape | None:
    if not isinstance(value, kinds.Pod):
        return None
    return PodShape(key, value.metadata.labels, value.spec)


def replicas(key: Key, workload: kinds.Workload) -> Iterator[PodShape]:
    """The pods that a workload stands for, named ``NAME-1``, ``NAME-2`` and so on."""
    template = workload.spec.template
    for number in range(1, min(workload.spec.replicas, MOST_REPLICAS) + 1):
        pod = Key(key.namespace, workload.replica_name(number))
        yield PodShape(pod, template.metadata.labels, template.spec)
