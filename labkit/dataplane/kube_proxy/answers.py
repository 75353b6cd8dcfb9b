"""What the API server answers to a request: which objects are meant, or a Status that says why not.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/ ("Resource URIs"), kubernetes
v1.36 staging/src/k8s.io/apimachinery/pkg/apis/meta/v1/types.go (Status, APIResourceList).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.selectors import parse_selector
from labkit.dataplane.kube_proxy.store import RESOURCES, Query, Resource, Store

OK: Final = 200
CREATED: Final = 201
TRUE: Final = ("1", "true")
REASONS: Final = {
    400: "BadRequest",
    404: "NotFound",
    405: "MethodNotAllowed",
    410: "Expired",
}


class Answer(NamedTuple):
    """One whole answer."""

    status: int
    body: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A watch that was asked for."""

    query: Query
    after: int | None
    """Changes after this version; None for all objects first."""
    bookmark: bool
    """Whether the end of the first objects is told (KEP-3157)."""
    timeout_s: int | None


def status(code: int, message: str) -> Json:
    """The Status object of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": REASONS[code],
        "code": code,
    }


def answer(store: Store, method: str, target: str, body: bytes) -> Answer | Watch:
    """Return what a request is answered with; never raises."""
    try:
        url = urlsplit(target)
        parts = [part for part in url.path.split("/") if part]
        if method == "POST" and parts[-1:] == ["events"]:
            return _event(body)
        if method == "GET":
            return _read(store, parts, dict(parse_qsl(url.query)))
    except ValueError as error:
        return _failure(400, str(error))
    return _failure(405, f"this API server is read-only: {method} {url.path}")


def _read(store: Store, parts: Sequence[str], asked: Mapping[str, str]) -> Answer | Watch:
    if discovered := _discovery(tuple(parts)):
        return Answer(OK, discovered)
    found = _resource(parts)
    if not found:
        return _failure(404, "the server could not find the requested resource")
    resource, namespace, name = found
    if not name:
        return _many(store, resource, namespace, asked)
    each = store.get(resource, ObjectName(namespace, name))
    return Answer(OK, each) if each else _failure(404, f'{resource.plural} "{name}" not found')


def _many(
    store: Store, resource: Resource, namespace: str, asked: Mapping[str, str]
) -> Answer | Watch:
    query = Query(
        resource=resource,
        namespace=namespace,
        labels=parse_selector(asked.get("labelSelector", "")),
        fields=parse_selector(asked.get("fieldSelector", "")),
    )
    if asked.get("watch") not in TRUE:
        return Answer(OK, store.listing(query))
    version, initial = int(asked.get("resourceVersion") or 0), asked.get("sendInitialEvents")
    if initial in TRUE:
        after = None
    elif initial:
        after = version or store.version
    else:
        after = version or None
    return Watch(
        query=query,
        after=after,
        bookmark=initial in TRUE,
        timeout_s=int(asked["timeoutSeconds"]) if "timeoutSeconds" in asked else None,
    )


def _resource(parts: Sequence[str]) -> tuple[Resource, str, str] | None:
    """The resource, Namespace and name of a path."""
    for resource in RESOURCES:
        root = _root(resource)
        if tuple(parts[: len(root)]) != root:
            continue
        match parts[len(root) :]:
            case ["namespaces", namespace, plural, *rest] if resource.namespaced:
                pass
            case [plural, *rest] if not (rest and resource.namespaced):
                namespace = ""
            case _:
                continue
        if plural == resource.plural and len(rest) <= 1:
            return resource, namespace, "".join(rest)
    return None


def _root(resource: Resource) -> tuple[str, ...]:
    return ("apis" if "/" in resource.version else "api", *resource.version.split("/"))


def _discovery(parts: tuple[str, ...]) -> Json | None:
    """What kubectl asks to learn what there is."""
    if parts == ("version",):
        return {"major": "1", "minor": "36", "gitVersion": "v1.36.0"}
    if parts == ("api",):
        return {"kind": "APIVersions", "versions": ["v1"]}
    if parts == ("apis",):
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups()}
    served = [resource for resource in RESOURCES if _root(resource) == parts]
    if not served:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": served[0].version,
        "resources": [
            {
                "name": each.plural,
                "singularName": each.kind.lower(),
                "namespaced": each.namespaced,
                "kind": each.kind,
                "verbs": ["get", "list", "watch"],
            }
            for each in served
        ],
    }


def _groups() -> list[Json]:
    versions: dict[str, list[Json]] = {}
    for version in dict.fromkeys(each.version for each in RESOURCES if "/" in each.version):
        group, _, short = version.partition("/")
        versions.setdefault(group, []).append({"groupVersion": version, "version": short})
    return [
        {"name": group, "versions": found, "preferredVersion": found[0]}
        for group, found in versions.items()
    ]


def _event(body: bytes) -> Answer:
    found = json.loads(body)
    if not isinstance(found, dict):
        return _failure(400, "the event is no object")
    return Answer(CREATED, found)


def _failure(code: int, message: str) -> Answer:
    return Answer(code, status(code, message))
