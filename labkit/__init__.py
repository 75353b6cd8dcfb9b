"""labkit: a small Kubernetes network on one machine, made of network namespaces.

The public API: `Lab` builds and probes a lab, `load` reads a scenario file, and every error derives
from `LabkitError`. Names are imported when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False
"""typing's own costs more to import than all that `labkit exec` needs."""
if TYPE_CHECKING:
    from typing import Final

    from labkit.errors import (
        CommandError,
        KernelError,
        LabError,
        LabkitError,
        ManifestError,
        MissingFeature,
        UsageError,
    )
    from labkit.lab.lab import Lab
    from labkit.lab.seen import Seen
    from labkit.lab.targets import Target
    from labkit.manifest.load import load

__all__ = [
    "CommandError",
    "KernelError",
    "Lab",
    "LabError",
    "LabkitError",
    "ManifestError",
    "MissingFeature",
    "Seen",
    "Target",
    "UsageError",
    "load",
]

_HOME: Final = {
    "Lab": "labkit.lab.lab",
    "Seen": "labkit.lab.seen",
    "Target": "labkit.lab.targets",
    "load": "labkit.manifest.load",
}


def __getattr__(name: str) -> object:
    """Import a public name on first use: `import labkit` alone costs nothing."""
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    return getattr(import_module(_HOME.get(name, "labkit.errors")), name)
