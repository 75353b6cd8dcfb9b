"""Services on the way from one cluster to the next."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from labkit.cluster.mapped import following
from labkit.cluster.model import Network, Pod, Service
from labkit.cluster.object_names import ObjectName
from labkit.cluster.services import InUse, build_services, by_key, nothing_in_use
from labkit.manifest import kinds
from labkit.manifest.difference import Difference
from labkit.manifest.index import Index
from labkit.manifest.selection import Label, place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The Services of a cluster, and by what they are found."""

    sorted: tuple[Service, ...]
    by_key: dict[ObjectName, Service]
    manifests: dict[ObjectName, kinds.Service]
    selecting: Index[Label, ObjectName]
    """Each Service under one label of its selector."""
    in_use: InUse


def no_services(network: Network) -> Services:
    """What is known where there is no Service."""
    return Services(
        sorted=(), by_key={}, manifests={}, selecting=Index(), in_use=nothing_in_use(network)
    )


def next_services(
    before: Services,
    step: Difference[kinds.Service],
    known: Mapping[str, str],
    previous: Mapping[ObjectName, Service],
) -> tuple[Services, Set[ObjectName]]:
    """The Services after a step, and which of them came, went or were built anew.

    Args:
        before: what was known; its Services that did not change are the same objects again.
        step: what came and went.
        known: addresses in the lab by those that the real cluster has.
        previous: the Services of the running lab, which keep what they were given.
    """
    if not step.new and not step.gone:
        return before, frozenset()
    new = [following(each, known) for each in step.new]
    keys, replaced = {_key(each) for each in new}, {_key(each) for each in step.gone}
    gone = replaced - keys
    in_use = before.in_use.copy()
    in_use.release(before.by_key[key] for key in gone)
    # What a Service of the running lab has stays its own until all have what they want.
    kept = [previous[key] for key in keys - replaced if key in previous]
    in_use.hold(kept)
    made = build_services(new, previous, in_use)
    in_use.release([*kept, *(before.by_key[key] for key in keys & replaced)])
    built = [was if (was := previous.get(each.key)) == each else each for each in made]
    after = Services(
        sorted=_sorted(before.sorted, built, gone),
        by_key={**before.by_key, **{each.key: each for each in built}},
        manifests={**before.manifests, **{_key(each): each for each in new}},
        selecting=before.selecting.copy(),
        in_use=in_use,
    )
    for key in gone:
        del after.by_key[key], after.manifests[key]
    for key in replaced:
        after.selecting.remove(_places(key, before.manifests[key]), key)
    for key in keys:
        after.selecting.add(_places(key, after.manifests[key]), key)
    return after, keys | replaced


def selecting(services: Services, pod: Pod) -> Iterator[ObjectName]:
    """The Services whose selector means a pod."""
    for name, value in pod.labels.items():
        for key in services.selecting.under((pod.key.namespace, name, value)):
            selector = services.manifests[key].spec.selector
            if selector and selector.items() <= pod.labels.items():
                yield key


def _sorted(
    before: tuple[Service, ...], built: Sequence[Service], gone: Set[ObjectName]
) -> tuple[Service, ...]:
    """Services in the order of their names, with some built anew and some gone."""
    if not before:
        return tuple(sorted(built, key=by_key))
    found = list(before)
    for key in gone:
        del found[bisect_left(found, key, key=by_key)]
    for each in built:
        at = bisect_left(found, each.key, key=by_key)
        if at < len(found) and found[at].key == each.key:
            found[at] = each
        else:
            found.insert(at, each)
    return tuple(found)


def _places(key: ObjectName, manifest: kinds.Service) -> list[Label]:
    return place_of(key.namespace, manifest.spec.selector)


def _key(manifest: kinds.Service) -> ObjectName:
    return ObjectName(manifest.metadata.namespace, manifest.metadata.name)
