"""A whole scenario: everything that one or more files said."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as data_field
from typing import Literal, TypeAlias

from labkit.manifest.kinds.kubernetes import NodeObject, Pod, Workload
from labkit.manifest.kinds.lab import Check, Lab
from labkit.manifest.kinds.services import EndpointSlice, Service
from labkit.manifest.loaded import Loaded
from labkit.manifest.location import Location


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedCheck:
    """A Check and the line that it starts on."""

    check: Check
    location: Location

    @property
    def name(self) -> str:
        """The Check's name."""
        return self.check.metadata.name


DisplacedKind: TypeAlias = Literal["Node", "podCIDR", "Pod", "Service"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Displaced:
    """An address or range of a cluster that a lab cannot have as it is."""

    kind: DisplacedKind
    namespace: str
    name: str
    """The node, Pod or Service that has it."""
    given: str
    """What the cluster says; empty if it says nothing."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that one or more files said, validated, in file order."""

    lab: Lab
    checks: tuple[LocatedCheck, ...] = ()
    node_objects: tuple[NodeObject, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    path: str = "<memory>"
    description: str = ""
    """The comment at the head of the file: what the scenario shows."""
    ignored: tuple[str, ...] = ()
    """What the files hold and the lab leaves out, in words: ``2 ConfigMap``."""
    displaced: tuple[Displaced, ...] = ()
    """Addresses of a cluster that cannot be kept; the objects do not have them any more."""
    objects: tuple[Loaded, ...] = data_field(default=(), repr=False, compare=False)
    """Every object with its place in the files, so that the scenario can be changed."""
    known: object = data_field(default=None, repr=False, compare=False)
    """What `labkit.manifest.known` knows of ``objects``, so that a change costs what changes."""
