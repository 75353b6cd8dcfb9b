"""What a data plane rendered for each Service port, used again while its origin is the same.

A changed cluster shares with the one before it every Service and every tuple of endpoints that did
not change: they are the same objects. So ten thousand Services are looked through in a millisecond,
by identity and without a line of Python for each, and only what is new is rendered.

kube-proxy's change trackers do the same: kubernetes v1.36 pkg/proxy/servicechangetracker.go and
endpointschangetracker.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import is_not
from typing import Generic, NamedTuple, TypeVar

from labkit.cluster.model import Cluster, Endpoint, Service, ServicePort
from labkit.cluster.object_names import ServicePortName
from labkit.cluster.topology import is_proxied

P = TypeVar("P")
K = TypeVar("K")
V = TypeVar("V")


class Origin(NamedTuple):
    """The Service and the port that a part is of."""

    service: Service
    port: ServicePort


class Changed(NamedTuple, Generic[V]):
    """What a key had and what it has; None for nothing."""

    before: V | None
    after: V | None


class Since(NamedTuple, Generic[V]):
    """What was changed of other parts."""

    by_port: Mapping[ServicePortName, V]
    changes: Sequence[Changed[V]]


@dataclass(frozen=True, slots=True)
class Parts(Generic[P]):
    """A data plane's part for each Service port that proxies serve, on one node."""

    by_port: Mapping[ServicePortName, P] = field(default_factory=dict)
    """In no order: see `ordered`."""
    options: object = field(default=None, compare=False)
    """What else they depend on, the same for all of them."""
    origins: Mapping[ServicePortName, Origin] = field(default_factory=dict, compare=False)
    services: Sequence[Service] = field(default=(), compare=False)
    endpoints: Mapping[ServicePortName, tuple[Endpoint, ...]] = field(
        default_factory=dict, compare=False
    )
    since: Since[P] | None = field(default=None, compare=False)
    """What they were made from."""

    def ordered(self) -> Iterator[P]:
        """Every part, in the order of the Services and of their ports."""
        for service in self.services:
            for port in service.ports:
                part = self.by_port.get(service.port_name(port))
                if part is not None:
                    yield part


def render_parts(
    cluster: Cluster,
    options: object,
    previous: Parts[P] | None,
    write: Callable[[Service, ServicePort, tuple[Endpoint, ...]], P],
) -> Parts[P]:
    """Return the parts of ``cluster``: those of ``previous`` whose origin is the same, else new.

    Args:
        cluster: the desired state.
        options: what else the parts depend on; other options make all of them anew.
        previous: what was returned for the same node before.
        write: makes the part of one port from its Service and endpoints.
    """
    if previous is None or previous.options != options:
        previous = Parts(options=options)
    origins = _origins(cluster, previous)
    stale = {name for name, *_ in _differing(previous.origins, origins)}
    of_endpoints = _differing(previous.endpoints, cluster.endpoints)
    stale.update(name for name, *_ in of_endpoints if name in origins)
    if not stale and _same(previous.services, cluster.services):
        return previous
    parts = dict(previous.by_port)
    for name in sorted(stale):
        origin = origins.get(name)
        if origin is None:
            del parts[name]
        else:
            parts[name] = write(*origin, cluster.endpoints.get(name, ()))
    changes = [Changed(previous.by_port.get(name), parts.get(name)) for name in sorted(stale)]
    since = Since(previous.by_port, changes) if previous.by_port else None
    return Parts(parts, options, origins, cluster.services, cluster.endpoints, since)


def changed_parts(before: Parts[P], after: Parts[P]) -> Sequence[Changed[P]]:
    """Return where two parts differ, by identity; at once if one was made from the other."""
    if after.since is not None and after.since.by_port is before.by_port:
        return after.since.changes
    return difference(before.by_port, after.by_port)


def difference(before: Mapping[K, V], after: Mapping[K, V]) -> list[Changed[V]]:
    """Return where two mappings have different values, by identity."""
    return [Changed(old, new) for _, old, new in _differing(before, after)]


def _origins(cluster: Cluster, previous: Parts[P]) -> Mapping[ServicePortName, Origin]:
    if cluster.services is previous.services:
        return previous.origins
    begin, end = _aligned(previous.services, cluster.services)
    old = previous.services[begin : len(previous.services) - end]
    new = cluster.services[begin : len(cluster.services) - end]
    kept, before = set(map(id, new)), set(map(id, old))
    origins = dict(previous.origins)
    for service in old:
        if id(service) not in kept:
            for port in service.ports:
                origins.pop(service.port_name(port), None)
    for service in new:
        if id(service) not in before and is_proxied(service):
            origins |= {service.port_name(port): Origin(service, port) for port in service.ports}
    return origins


def _differing(
    before: Mapping[K, V], after: Mapping[K, V]
) -> Iterator[tuple[K, V | None, V | None]]:
    """Every key with another value in each mapping, by identity; None where it is not in one.

    What stands in the same order in both, nothing is done in Python for each of.
    """
    if before is after:
        return
    keys, old = list(before), list(before.values())
    later, new = list(after), list(after.values())
    # Equal keys are the same key, and lists are compared ten times as fast.
    begin, end = (len(keys), 0) if keys == later else _aligned(keys, later)
    left = dict(_between(keys, old, begin, end))
    came = dict(_between(later, new, begin, end))
    yield from ((key, value, None) for key, value in left.items() if key not in came)
    yield from _unlike(keys[:begin], old, new)
    yield from ((k, left.get(k), value) for k, value in came.items() if left.get(k) is not value)
    if end:
        yield from _unlike(keys[-end:], old[-end:], new[-end:])


def _between(keys: Sequence[K], values: Sequence[V], begin: int, end: int) -> Iterator[tuple[K, V]]:
    """What is neither among the first ``begin`` nor among the last ``end``."""
    return islice(zip(keys, values, strict=True), begin, len(keys) - end)


def _unlike(
    keys: Sequence[K], old: Sequence[V], new: Sequence[V]
) -> Iterator[tuple[K, V | None, V | None]]:
    """Of the first values of two sequences, one for each key, those that are other objects."""
    for at in compress(range(len(keys)), map(is_not, old, new)):
        yield keys[at], old[at], new[at]


def _aligned(before: Sequence[object], after: Sequence[object]) -> tuple[int, int]:
    """How many objects both begin with, and how many others both end with."""
    shorter = min(len(before), len(after))
    begin = _alike(before, after)
    return begin, min(_alike(before[::-1], after[::-1]), shorter - begin) if begin < shorter else 0


def _alike(before: Sequence[object], after: Sequence[object]) -> int:
    """How many objects both begin with."""
    shorter = min(len(before), len(after))
    return next(compress(range(shorter), map(is_not, before, after)), shorter)


def _same(before: Sequence[object], after: Sequence[object]) -> bool:
    """Whether both have the same objects in the same order."""
    return before is after or (len(before) == len(after) and not any(map(is_not, before, after)))
