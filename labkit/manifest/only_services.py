"""A scenario without the pods that matter to no Service: less to build, the same flow table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from labkit.manifest import kinds
from labkit.manifest.key import Key
from labkit.manifest.kinds import Scenario
from labkit.manifest.loaded import Loaded
from labkit.manifest.scope import replicas

_API_SERVER: Final = ("component", "kube-apiserver")


def only_services(scenario: Scenario) -> Scenario:
    """Return ``scenario`` without pods and workloads that matter to no Service and no Check.

    A pod matters if a Service selects it, if an EndpointSlice names it or its address, or if a
    Check names it. How many were left out is said in `Scenario.ignored`.
    """
    matter = _Matter(scenario)
    kept = [loaded for loaded in scenario.objects if matter.keeps(loaded)]
    pods, workloads = _values(kept)
    gone = len(scenario.objects) - len(kept)
    words = (f"{gone} pods and workloads that matter to no Service",) if gone else ()
    return replace(
        scenario,
        pods=pods,
        workloads=workloads,
        objects=tuple(kept),
        ignored=(*scenario.ignored, *words),
    )


def _values(
    objects: Sequence[Loaded],
) -> tuple[tuple[kinds.Pod, ...], tuple[kinds.Workload, ...]]:
    values = [loaded.value for loaded in objects]
    pods = tuple(each for each in values if isinstance(each, kinds.Pod))
    return pods, tuple(each for each in values if isinstance(each, kinds.Workload))


class _Matter:
    """What Services, slices and Checks of a scenario name."""

    def __init__(self, scenario: Scenario) -> None:
        self._selectors: defaultdict[str, list[Mapping[str, str]]] = defaultdict(list)
        for service in scenario.services:
            if service.spec.selector:
                self._selectors[service.metadata.namespace].append(service.spec.selector)
        self._named = {*_targets(scenario), *_in_checks(scenario)}
        entries = [each for piece in scenario.endpoint_slices for each in piece.endpoints]
        self._addresses = {text for each in entries for text in each.addresses}
        self._ports = {
            port.port for piece in scenario.endpoint_slices for port in piece.ports if port.port
        }
        self._displaced: dict[tuple[str, Key], str] = {
            (each.kind, Key(each.namespace, each.name)): each.given for each in scenario.displaced
        }

    def keeps(self, loaded: Loaded) -> bool:
        """Whether an object stays; everything but pods and workloads does."""
        value, key = loaded.value, loaded.key
        if isinstance(value, kinds.Pod):
            named = key.shown in self._named or self._has_address(value, key)
            return named or self._selects(key.namespace, value.metadata.labels)
        if isinstance(value, kinds.Workload):
            named = any(pod.key.shown in self._named for pod in replicas(key, value))
            return named or self._selects(key.namespace, value.spec.template.metadata.labels)
        return True

    def _selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        return any(each.items() <= labels.items() for each in self._selectors[namespace])

    def _has_address(self, pod: kinds.Pod, key: Key) -> bool:
        host = pod.spec.host_network
        owner = ("Node", Key("", str(pod.spec.node_name))) if host else ("Pod", key)
        address = self._displaced.get(owner) or pod.status.pod_ip
        if address not in self._addresses:
            return False
        if not host:
            return True
        # Every pod on the host network has the node's address: those that listen there count.
        name, value = _API_SERVER
        listens = any(
            port.container_port in self._ports
            for container in pod.spec.containers
            for port in container.ports
        )
        return listens or pod.metadata.labels.get(name) == value


def _targets(scenario: Scenario) -> Iterator[str]:
    for piece in scenario.endpoint_slices:
        for entry in piece.endpoints:
            target = entry.target_ref
            if target and target.kind == "Pod":
                yield Key(target.namespace or piece.metadata.namespace, target.name).shown


def _in_checks(scenario: Scenario) -> Iterator[str]:
    for located in scenario.checks:
        spec = located.check.spec
        yield from [spec.from_] if isinstance(spec.from_, str) else spec.from_
        for expect in (spec.expect, *spec.expect_under.values()):
            yield from expect.backends or ()
        if spec.to.pod:
            yield spec.to.pod
