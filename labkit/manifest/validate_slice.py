"""EndpointSlices given by hand, as the API server validates them.

Source: kubernetes v1.36 pkg/apis/discovery/validation/validation.go, ValidateEndpointSlice.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from labkit.manifest import kinds, names
from labkit.manifest.addresses import special
from labkit.manifest.key import Key
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.scope import Scope

SERVICE_LABEL: Final = "kubernetes.io/service-name"
MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
CONTROLLER: Final = "endpointslice-controller.k8s.io"
_TYPES: Final = ("IPv4", "IPv6", "FQDN")
_VERSIONS: Final = {"IPv4": 4, "IPv6": 6}
_MOST_ADDRESSES: Final = 100
_PORTS: Final = range(1, 65536)


def service_of(piece: kinds.EndpointSlice) -> Key | None:
    """The Service that a slice belongs to, by its label."""
    name = piece.metadata.labels.get(SERVICE_LABEL)
    return Key(piece.metadata.namespace, name) if name else None


def is_managed(piece: kinds.EndpointSlice) -> bool:
    """Whether the cluster's own controller made it, as in a dump."""
    return piece.metadata.labels.get(MANAGED_BY) == CONTROLLER


def slice_findings(loaded: Loaded, piece: kinds.EndpointSlice, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one EndpointSlice.

    One of a cluster may add to the endpoints of a Service with a selector, as proxies take them.
    """
    if not loaded.dumped:
        yield from _owner(piece, scope)
    if piece.address_type not in _TYPES:
        where: Path = ("addressType",)
        message = f"'{quote(piece.address_type)}' is unknown"
        yield Finding(where, message, nearest(piece.address_type, _TYPES))
    for index, entry in enumerate(piece.endpoints):
        yield from _endpoint(piece, entry, ("endpoints", index), scope)
    seen: set[str] = set()
    for index, port in enumerate(piece.ports):
        path = ("ports", index)
        if port.port is not None and port.port not in _PORTS:
            remedy = "give a port between 1 and 65535"
            yield Finding((*path, "port"), f"{port.port} is no port", remedy)
        wrong = names.label(port.name) if port.name else None
        if wrong:
            yield Finding((*path, "name"), f"'{quote(port.name)}' is no port name", wrong)
        if port.name in seen:
            message = f"the name '{quote(port.name)}' is there twice"
            yield Finding((*path, "name"), message, "name each port differently")
        seen.add(port.name)


def _owner(piece: kinds.EndpointSlice, scope: Scope) -> Iterator[Finding]:
    where = ("metadata", "labels", SERVICE_LABEL)
    owner = service_of(piece)
    if owner is None:
        yield Finding(where, "required", "give the label with the Service's name")
        return
    service = scope.services.get(owner)
    if service and service.spec.selector:
        yield Finding(
            where,
            f"Service {owner.shown} has a selector, so labkit makes its EndpointSlices",
            "take the selector out of the Service, or leave this slice out",
        )


def _endpoint(
    piece: kinds.EndpointSlice, entry: kinds.EndpointEntry, path: Path, scope: Scope
) -> Iterator[Finding]:
    if not 1 <= len(entry.addresses) <= _MOST_ADDRESSES:
        message = f"{len(entry.addresses)} addresses"
        yield Finding((*path, "addresses"), message, "give one address")
    for index, text in enumerate(entry.addresses):
        yield from _address(piece.address_type, text, (*path, "addresses", index))
    node = entry.node_name
    if node is not None and scope.lacks_node(node):
        message = f"there is no node '{quote(node)}' in this lab"
        yield Finding((*path, "nodeName"), message, nearest(node, scope.nodes))


def _address(address_type: str, text: str, path: Path) -> Iterator[Finding]:
    version = _VERSIONS.get(address_type)
    if version is None:
        return
    try:
        address = ip_address(text)
    except ValueError:
        message = f"'{quote(text)}' is no address"
        yield Finding(path, message, f"give an {address_type} address")
        return
    if address.version != version:
        yield Finding(path, f"{address} is not {address_type}", f"give an {address_type} address")
    elif what := special(address):
        yield Finding(path, f"{address} is {what}", "give an address that can be routed")
