"""Every rule on every object of a scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labkit.manifest import kinds
from labkit.manifest.conflicts import conflicts
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Problem
from labkit.manifest.scope import Scope, lab_of
from labkit.manifest.validate_check import check_findings
from labkit.manifest.validate_lab import lab_findings
from labkit.manifest.validate_pod import meta_findings, pod_findings, workload_findings
from labkit.manifest.validate_service import service_findings
from labkit.manifest.validate_slice import slice_findings


def problems_of(
    objects: Sequence[Loaded], scope: Scope, settled: Sequence[Loaded] = ()
) -> Iterator[Problem]:
    """What is wrong with ``objects``, each rule in its place.

    Objects that could not be decoded are left out; what they are named is not. Those of
    ``settled`` are left out too.
    """
    done = set(map(id, settled))
    for loaded in (each for each in objects if id(each) not in done):
        for finding in findings_of(loaded, scope):
            yield loaded.problem(finding)
    yield from _made_up_lab(objects, scope)
    yield from conflicts(objects, scope)


def _made_up_lab(objects: Sequence[Loaded], scope: Scope) -> Iterator[Problem]:
    """What is wrong with a Lab that nobody wrote: the Nodes and Services it is made from."""
    made = scope.lab
    if made is None or any(loaded.kind == "Lab" for loaded in objects):
        return
    lab = lab_of(objects)
    for finding in lab_findings(lab, made):
        message = f"the Lab made from this file's Nodes and Services: {finding.message}"
        remedy = f"write a Lab of your own, and there {finding.remedy}"
        yield lab.problem(Finding(finding.path, message, remedy))


def findings_of(loaded: Loaded, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one object, but for what another has, too."""
    value = loaded.value
    if isinstance(value, kinds.Lab):
        yield from lab_findings(loaded, scope.lab or value)
    elif isinstance(value, kinds.Check):
        yield from check_findings(value, scope)
    elif isinstance(value, kinds.Namespace | kinds.NodeObject):
        yield from meta_findings(loaded, value.metadata)
    elif isinstance(value, (kinds.Pod, kinds.Workload, kinds.Service, kinds.EndpointSlice)):
        yield from meta_findings(loaded, value.metadata)
        yield from _namespaced(loaded, value, scope)


def _namespaced(
    loaded: Loaded,
    value: kinds.Pod | kinds.Workload | kinds.Service | kinds.EndpointSlice,
    scope: Scope,
) -> Iterator[Finding]:
    if isinstance(value, kinds.Pod):
        yield from pod_findings(value, scope)
    elif isinstance(value, kinds.Workload):
        yield from workload_findings(loaded, value, scope)
    elif isinstance(value, kinds.Service):
        yield from service_findings(loaded, value, scope)
    else:
        yield from slice_findings(loaded, value, scope)
