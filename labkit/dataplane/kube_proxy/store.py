"""What the API server keeps: objects, their versions, and the changes that a watch shows.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Efficient detection of
changes", "Streaming lists"), kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/storage/cacher.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from labkit.cluster.model import Cluster
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy import objects
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.selectors import Selector

KEPT_CHANGES: Final = 10_000
"""A watch from before the oldest of these is told 410 Gone, and lists again."""
INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


class Resource(NamedTuple):
    """A kind of object and where it is served."""

    version: str
    """Group and version, as apiVersion says them."""
    plural: str
    kind: str
    namespaced: bool


SERVICES: Final = Resource("v1", "services", "Service", namespaced=True)
NODES: Final = Resource("v1", "nodes", "Node", namespaced=False)
ENDPOINTS: Final = Resource("v1", "endpoints", "Endpoints", namespaced=True)
SLICES: Final = Resource("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", namespaced=True)
OLD_SLICES: Final = SLICES._replace(version="discovery.k8s.io/v1beta1")
SERVICE_CIDRS: Final = Resource(
    "networking.k8s.io/v1", "servicecidrs", "ServiceCIDR", namespaced=False
)
RESOURCES: Final = (SERVICES, NODES, ENDPOINTS, SLICES, OLD_SLICES, SERVICE_CIDRS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which objects somebody lists or watches."""

    resource: Resource
    labels: Selector
    fields: Selector
    namespace: str = ""
    """Empty for all of them."""

    def matches(self, found: Json | None) -> bool:
        """Whether there is an object, and it is among those."""
        if found is None:
            return False
        metadata = found["metadata"]
        fields = {
            "metadata.name": metadata["name"],
            "metadata.namespace": metadata.get("namespace", ""),
        }
        return (
            self.namespace in {"", fields["metadata.namespace"]}
            and self.labels(metadata.get("labels", {}))
            and self.fields(fields)
        )


class Gone(Exception):  # noqa: N818 - the API's word for it
    """The changes after the version that was asked for are no longer known."""


class _Change(NamedTuple):
    version: int
    resource: Resource
    before: Json | None
    after: Json | None


class Store:
    """Objects by resource and name; every change has a version greater than the last."""

    def __init__(self, *, kept_changes: int = KEPT_CHANGES) -> None:
        self.version = 1
        """The resourceVersion of the newest change."""
        self._objects: dict[Resource, dict[ObjectName, Json]] = {each: {} for each in RESOURCES}
        self._changes: deque[_Change] = deque(maxlen=kept_changes)
        self._oldest = self.version

    def show(self, cluster: Cluster) -> None:
        """Hold the objects of ``cluster`` and no others; what is as before keeps its version."""
        for resource, wanted in _objects_of(cluster).items():
            for key in self._objects[resource].keys() - wanted.keys():
                self._change(resource, key, None)
            for key, each in wanted.items():
                self._change(resource, key, each)

    def get(self, resource: Resource, key: ObjectName) -> Json | None:
        """One object by name, None if there is none."""
        return self._objects[resource].get(key)

    def listing(self, query: Query) -> Json:
        """The list object of all that match, by namespace and name, with the store's version."""
        return {
            "kind": f"{query.resource.kind}List",
            "apiVersion": query.resource.version,
            "metadata": {"resourceVersion": str(self.version)},
            "items": self._matching(query),
        }

    def initial_events(self, query: Query, *, bookmark: bool) -> Iterator[Json]:
        """An ADDED for every object that matches, then the BOOKMARK that ends a streamed list."""
        for each in self._matching(query):
            yield {"type": "ADDED", "object": each}
        if bookmark:
            metadata = {
                "resourceVersion": str(self.version),
                "annotations": {INITIAL_EVENTS_END: "true"},
            }
            yield {"type": "BOOKMARK", "object": _typed(query.resource, {"metadata": metadata})}

    def events(self, query: Query, *, after: int) -> list[Json]:
        """What a watch from version ``after`` sees up to now.

        An object that no longer matches is DELETED for this watch, one that now does is ADDED.

        Raises:
            Gone: changes after that version are forgotten.
        """
        if after < self._oldest:
            raise Gone(f"too old resource version: {after} ({self._oldest})")
        found: list[Json] = []
        for change in self._changes:
            if change.version > after and change.resource == query.resource:
                found.extend(_events(query, change))
        return found

    def _matching(self, query: Query) -> list[Json]:
        known = self._objects[query.resource]
        return [known[key] for key in sorted(known) if query.matches(known[key])]

    def _change(self, resource: Resource, key: ObjectName, wanted: Json | None) -> None:
        known = self._objects[resource]
        before = known.get(key)
        if before and wanted and _versioned(wanted, _version(before)) == before:
            return
        after = _versioned(wanted, self.version + 1) if wanted else None
        if len(self._changes) == self._changes.maxlen:
            self._oldest = self._changes[0].version
        self.version += 1
        self._changes.append(_Change(self.version, resource, before, after))
        if after is None:
            del known[key]
        else:
            known[key] = after


def _events(query: Query, change: _Change) -> Iterator[Json]:
    was, is_ = query.matches(change.before), query.matches(change.after)
    if is_:
        yield {"type": "MODIFIED" if was else "ADDED", "object": change.after}
    elif was and change.before:
        yield {"type": "DELETED", "object": _versioned(change.before, change.version)}


def _versioned(found: Json, version: int) -> Json:
    return {**found, "metadata": {**found["metadata"], "resourceVersion": str(version)}}


def _version(found: Json) -> int:
    return int(found["metadata"]["resourceVersion"])


def _typed(resource: Resource, values: Mapping[str, Any]) -> Json:
    return {"kind": resource.kind, "apiVersion": resource.version, **values}


def _objects_of(cluster: Cluster) -> Mapping[Resource, Mapping[ObjectName, Json]]:
    services = cluster.services
    # Endpoints before Services: a proxy that learns of a Service then knows whom it may send to.
    return {
        NODES: _by_name(map(objects.node_object, cluster.nodes)),
        SERVICE_CIDRS: _by_name(iter([objects.service_cidr(cluster)])),
        SLICES: _by_name(each for s in services for each in objects.endpoint_slices(cluster, s)),
        OLD_SLICES: _by_name(
            each for s in services for each in objects.old_endpoint_slices(cluster, s)
        ),
        ENDPOINTS: _by_name(objects.endpoints_object(cluster, s) for s in services),
        SERVICES: _by_name(map(objects.service_object, services)),
    }


def _by_name(found: Iterator[Json]) -> Mapping[ObjectName, Json]:
    return {
        ObjectName(each["metadata"].get("namespace", ""), each["metadata"]["name"]): each
        for each in found
    }
