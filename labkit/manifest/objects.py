"""From trees to objects: which kind each is, what a List holds, what labkit leaves out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final, NamedTuple

from msgspec import Struct

from labkit.manifest import kinds
from labkit.manifest.decode import decode
from labkit.manifest.loaded import Loaded
from labkit.manifest.misspelt import misspelt_fields
from labkit.manifest.problems import Finding, Problem, nearest, quote
from labkit.manifest.tree import Node, find

KINDS: Final[dict[str, tuple[str, type[Struct]]]] = {
    "Lab": (kinds.LABKIT_API, kinds.Lab),
    "Check": (kinds.LABKIT_API, kinds.Check),
    "Namespace": ("v1", kinds.Namespace),
    "Node": ("v1", kinds.NodeObject),
    "Pod": ("v1", kinds.Pod),
    "Service": ("v1", kinds.Service),
    "Deployment": ("apps/v1", kinds.Workload),
    "ReplicaSet": ("apps/v1", kinds.Workload),
    "EndpointSlice": ("discovery.k8s.io/v1", kinds.EndpointSlice),
}
"""The kinds that count, the API version of each, and its type."""
OWN: Final = ("Lab", "Check")
_OWN_GROUP: Final = "labkit.dev"
_GROUPS: Final = frozenset({"", "apps", "extensions", "discovery.k8s.io"})
"""API groups in which a kind of ours under another version is a mistake, not somebody else's."""
_OTHERS: Final[dict[str, tuple[str, ...]]] = {
    "v1": (
        *("Binding", "ComponentStatus", "ConfigMap", "Endpoints", "Event", "LimitRange"),
        *("PersistentVolume", "PersistentVolumeClaim", "PodTemplate", "ReplicationController"),
        *("ResourceQuota", "Secret", "ServiceAccount"),
    ),
    "apps/v1": ("ControllerRevision", "DaemonSet", "StatefulSet"),
    "discovery.k8s.io/v1": (),
}
"""The other kinds of these API versions in Kubernetes 1.36, so that any more is a mistake."""
_NO_KIND: Final = 0.6
"""Likeness from which a kind that does not exist is taken for one that does."""
_TYPO: Final = 0.85
"""Likeness from which an unknown kind is taken for a misspelt one. Endpoints is less like any."""


class Source(NamedTuple):
    """One document or object before its kind is known, and the file that it is from."""

    node: Node
    file: str
    api_version: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Objects:
    """What some files hold."""

    loaded: list[Loaded] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    """How many objects there are of each kind that labkit leaves out."""
    problems: list[Problem] = field(default_factory=list)


def read_objects(sources: Iterable[Source]) -> Objects:
    """Decode every object in ``sources``, those inside Lists too, in their order."""
    found = Objects()
    pending = deque(sources)
    while pending:
        source = pending.popleft()
        items = _items(source, found)
        if items is None:
            _read(source, found)
        else:
            pending.extendleft(reversed(items))
    return found


def _items(source: Source, found: Objects) -> list[Source] | None:
    """The objects of a List, as kubectl prints it, or of a typed one: PodList. Else None."""
    api_version, kind = _head(source)
    if not kind.endswith("List") or _group(api_version) == _OWN_GROUP:
        return None
    items = find(source.node, ("items",))
    if items is None or items.value is None:
        return []
    if not isinstance(items.value, list):
        finding = Finding(("items",), "not a list", "give a list of objects")
        found.problems.append(Loaded(kind, None, source.node, source.file).problem(finding))
        return []
    if kind == "List":
        return [Source(item, source.file) for item in items.value]
    return [Source(item, source.file, api_version, kind[:-4]) for item in items.value]


def _read(source: Source, found: Objects) -> None:
    api_version, kind = _head(source)
    finding = _not_an_object(source, api_version, kind) or _wrong_kind(api_version, kind)
    if finding:
        # Known by its name, so that nobody who names it is told that it does not exist.
        loaded = Loaded(_meant(api_version, kind), None, source.node, source.file)
        found.problems.append(loaded.problem(finding))
        if loaded.kind in KINDS:
            found.loaded.append(loaded)
        return
    if kind not in KINDS or KINDS[kind][0] != api_version:
        found.ignored[kind] += 1
        return
    findings: list[Finding] = []
    value = decode(KINDS[kind][1], source.node, findings)
    loaded = Loaded(kind, value, source.node, source.file)
    if (
        kind not in OWN and not loaded.dumped
    ):  # what an API server has let in is right, whatever its version
        findings.extend(misspelt_fields(KINDS[kind][1], source.node))
    found.loaded.append(loaded)
    found.problems.extend(loaded.problem(each) for each in findings)


def _head(source: Source) -> tuple[str, str]:
    """The apiVersion and the kind; empty where they are not text."""
    given = [find(source.node, (name,)) for name in ("apiVersion", "kind")]
    texts = [str(node.value) if node and isinstance(node.value, str) else "" for node in given]
    return texts[0] or source.api_version, texts[1] or source.kind


def _not_an_object(source: Source, api_version: str, kind: str) -> Finding | None:
    if not isinstance(source.node.value, dict):
        return Finding((), "this is no object", "give a mapping with apiVersion and kind")
    if not kind:
        return Finding(("kind",), "required", f"give one of {', '.join(KINDS)}")
    if not api_version:
        known = KINDS.get(kind)
        remedy = f"give {known[0]}" if known else "give the API version of this kind"
        return Finding(("apiVersion",), "required", remedy)
    return None


def _wrong_kind(api_version: str, kind: str) -> Finding | None:
    group = _group(api_version)
    if group == _OWN_GROUP and kind not in OWN:
        return Finding(("kind",), f"{_OWN_GROUP} has no {quote(kind)}", nearest(kind, OWN))
    if group not in _GROUPS and kind not in OWN:
        return None
    if kind in KINDS:
        right = KINDS[kind][0]
        if api_version == right:
            return None
        message = f"{kind} is not in {quote(api_version)}"
        return Finding(("apiVersion",), message, f"give {right}")
    others = _OTHERS.get(api_version)
    if _meant(api_version, kind) != kind or (others is not None and kind not in others):
        known = [*KINDS, *(others or ())]
        return Finding(("kind",), f"there is no kind {quote(kind)}", nearest(kind, known))
    return None


def _meant(api_version: str, kind: str) -> str:
    """The kind that a misspelt one stands for; the same where it is like none."""
    others = _OTHERS.get(api_version)
    if kind in KINDS or kind in (others or ()):
        return kind
    likeness = _TYPO if others is None else _NO_KIND
    found = get_close_matches(kind, [*KINDS, *(others or ())], n=1, cutoff=likeness)
    return found[0] if found else kind


def _group(api_version: str) -> str:
    group, slash, _version_only = api_version.rpartition("/")
    return group if slash else ""
