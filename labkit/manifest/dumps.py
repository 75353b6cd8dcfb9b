"""What of a dump of a real cluster is left out, and why.

* A Pod of the files that a workload of the files owns stands for itself, and the workload is left
  out: a ReplicaSet that owns a Pod, a Deployment that owns a ReplicaSet, and a Deployment whose
  ReplicaSet is not in the files but whose Pods are. A dumped workload is left out wherever the
  files have the cluster's Pods: those that it has are there.
* An EndpointSlice that the cluster's controller made is left out if its Service has a selector:
  labkit makes its own from the pods.
* A Pod that has ended, as those of Jobs do, that no node has yet, or that has no address yet is
  left out: it has no network, and the controller makes no endpoint of it.
* An object that is in several files is there once.

Source: kubernetes v1.36 staging/src/k8s.io/endpointslice/util/controller_utils.go,
ShouldPodBeInEndpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from labkit.manifest import kinds
from labkit.manifest.key import Key
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Problem
from labkit.manifest.scope import WORKLOADS
from labkit.manifest.tree import find
from labkit.manifest.validate_slice import is_managed, service_of

_ENDED: Final = ("Succeeded", "Failed")
_HASH_LABEL: Final = "pod-template-hash"


@dataclass(slots=True)
class Sifted:
    """Objects that count, those that do not, in words, and what is wrong."""

    kept: list[Loaded] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Problem] = field(default_factory=list)
    """Objects that the files ought to have."""

    def leave_out(self, loaded: Loaded, why: str) -> None:
        """Say that an object does not count."""
        self.left_out.append(f"{_called(loaded)} ({why})")


class _Owner(NamedTuple):
    kind: str
    namespace: str
    name: str


def without_doubles(objects: Sequence[Loaded]) -> Sifted:
    """Return the objects that count."""
    sifted = _once(objects)
    once, sifted.kept = sifted.kept, []
    owners = set(_owners(once))
    services = {each.key: each.value for each in once if isinstance(each.value, kinds.Service)}
    has_pods = any(each.kind == "Pod" and each.dumped for each in once)
    for loaded in once:
        why = _double(loaded, owners, services)
        if why is None and loaded.dumped:
            why = _not_of_the_network(loaded, has_pods=has_pods)
        if why:
            sifted.leave_out(loaded, why)
        else:
            sifted.kept.append(loaded)
    sifted.missing += _without_any_pod(once, sifted.kept)
    return sifted


def _without_any_pod(objects: Sequence[Loaded], kept: Sequence[Loaded]) -> Iterator[Problem]:
    """One problem if slices tell of pods that nobody has dumped."""
    if any(each.kind == "Pod" or each.kind in WORKLOADS for each in objects):
        return
    staying = set(map(id, kept))
    for loaded in (each for each in objects if id(each) not in staying):
        piece = loaded.value
        if isinstance(piece, kinds.EndpointSlice) and is_managed(piece) and piece.endpoints:
            message = "it has endpoints, but no Pod is in these files"
            remedy = "give the Pods of the same cluster too (kubectl get pods -A -o yaml)"
            yield loaded.problem(Finding(("endpoints",), message, remedy, at_key=True))
            return


def _once(objects: Sequence[Loaded]) -> Sifted:
    """Each object of a cluster once, though it be in several files."""
    sifted = Sifted()
    first: dict[tuple[str, Key], Loaded] = {}
    for loaded in objects:
        other = first.setdefault((loaded.kind, loaded.key), loaded)
        if other is loaded or not (loaded.dumped and other.dumped):
            sifted.kept.append(loaded)
        elif _uid(loaded) == _uid(other):
            sifted.leave_out(loaded, f"it is at {other.locate()} too")
        else:
            message = f"another {_called(loaded)} is at {other.locate()}"
            remedy = "these are dumps of two clusters: give those of one"
            sifted.problems.append(loaded.problem(Finding(("metadata", "uid"), message, remedy)))
    return sifted


def _called(loaded: Loaded) -> str:
    key = loaded.key
    return f"{loaded.kind} {key.shown if key.namespace else key.name}"


def _uid(loaded: Loaded) -> str:
    node = find(loaded.root, ("metadata", "uid"))
    return str(node.value) if node else ""


def _double(
    loaded: Loaded, owners: set[_Owner], services: Mapping[Key, kinds.Service]
) -> str | None:
    key = loaded.key
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


def _not_of_the_network(loaded: Loaded, *, has_pods: bool) -> str | None:
    """Why an object of a cluster has nothing to do with its network."""
    value = loaded.value
    if isinstance(value, kinds.Pod):
        if not value.spec.node_name:
            return "it is on no node yet"
        return None if addresses_of(value) else "it has no address yet"
    if isinstance(value, kinds.Workload) and has_pods:
        return "the cluster's pods are in the files, and it has none"
    if isinstance(value, kinds.EndpointSlice):
        if service_of(value) is None:
            return "it belongs to no Service"
        if value.address_type == "FQDN":
            return "proxies use addresses, not names"
    return None


def addresses_of(pod: kinds.Pod) -> list[str]:
    """A pod's addresses, of any family, the first one first."""
    first = pod.status.pod_ip
    others = [each.ip for each in pod.status.pod_ips if each.ip and each.ip != first]
    return [first, *others] if first else others


def _owners(objects: Sequence[Loaded]) -> Iterator[_Owner]:
    for loaded in objects:
        value = loaded.value
        if not isinstance(value, kinds.Pod | kinds.Workload):
            continue
        namespace = loaded.key.namespace
        for reference in value.metadata.owner_references:
            yield _Owner(reference.kind, namespace, reference.name)
            suffix = f"-{value.metadata.labels.get(_HASH_LABEL, '')}"
            if reference.kind == "ReplicaSet" and reference.name.endswith(suffix):
                # The Deployment names its ReplicaSets NAME-HASH.
                yield _Owner("Deployment", namespace, reference.name.removesuffix(suffix))
