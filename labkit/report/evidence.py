"""What a page shows of a lab beside its verdicts: what it was, its rules, what made them. Pure.

`labkit.lab.evidence` gathers it where the lab ran, as that may be a guest kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.cluster.model import Cluster
from labkit.trace.path import Path


class Version(NamedTuple):
    """A program, and what it says of itself."""

    name: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A lab as it was when its verdicts were found."""

    cluster: Cluster
    file: str = ""
    """The scenario's."""
    versions: tuple[Version, ...] = ()
    rules: Mapping[str, str] = field(default_factory=dict)
    """The text that `labkit rules` prints, by node."""
    logs: Mapping[str, str] = field(default_factory=dict)
    """What programs in pods printed, by ``pod/container``."""
    paths: tuple[Path, ...] = ()
    """The ways of the packets of failing flows."""
    notes: tuple[str, ...] = ()
    """What of the ways is missing, in sentences."""
