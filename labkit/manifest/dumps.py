"""What a dump of a real cluster holds twice: workloads with their pods, Services with their slices.

* A Pod of the files that a workload of the files owns stands for itself, and the workload is left
  out: a ReplicaSet that owns a Pod, a Deployment that owns a ReplicaSet, and a Deployment whose
  ReplicaSet is not in the files but whose Pods are.
* An EndpointSlice that the cluster's controller made is left out if its Service has a selector:
  labkit makes its own from the pods.
* A Pod that has ended, as those of Jobs do, is left out: it has no network any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from labkit.manifest import kinds
from labkit.manifest.loaded import Loaded
from labkit.manifest.scope import WORKLOADS, Key, key_of
from labkit.manifest.validate_slice import is_managed, service_of

_ENDED: Final = ("Succeeded", "Failed")
_HASH_LABEL: Final = "pod-template-hash"


class _Owner(NamedTuple):
    kind: str
    namespace: str
    name: str


def without_doubles(objects: Sequence[Loaded]) -> tuple[list[Loaded], list[str]]:
    """Return the objects that count, and the others in words."""
    owners = set(_owners(objects))
    services = {
        key_of(each): each.value for each in objects if isinstance(each.value, kinds.Service)
    }
    kept: list[Loaded] = []
    left_out: list[str] = []
    for loaded in objects:
        why = _double(loaded, owners, services)
        if why:
            left_out.append(f"{loaded.kind} {key_of(loaded).shown} ({why})")
        else:
            kept.append(loaded)
    return kept, left_out


def _double(
    loaded: Loaded, owners: set[_Owner], services: Mapping[Key, kinds.Service]
) -> str | None:
    key = key_of(loaded)
    if loaded.kind in WORKLOADS and _Owner(loaded.kind, *key) in owners:
        return "its pods are in the file"
    if isinstance(loaded.value, kinds.Pod) and loaded.value.status.phase in _ENDED:
        return "it has ended"
    piece = loaded.value
    if isinstance(piece, kinds.EndpointSlice) and is_managed(piece):
        owner = service_of(piece)
        service = services.get(owner) if owner else None
        if service and service.spec.selector:
            return "labkit makes it from the pods"
    return None


def _owners(objects: Sequence[Loaded]) -> Iterator[_Owner]:
    for loaded in objects:
        value = loaded.value
        if not isinstance(value, kinds.Pod | kinds.Workload):
            continue
        namespace = key_of(loaded).namespace
        for reference in value.metadata.owner_references:
            yield _Owner(reference.kind, namespace, reference.name)
            suffix = f"-{value.metadata.labels.get(_HASH_LABEL, '')}"
            if reference.kind == "ReplicaSet" and reference.name.endswith(suffix):
                # The Deployment names its ReplicaSets NAME-HASH.
                yield _Owner("Deployment", namespace, reference.name.removesuffix(suffix))
