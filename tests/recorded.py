"""Where the recordings of the real kube-proxy are.

``LABKIT_TRUTH`` names another folder of the same shape to be judged by.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from labkit.cluster.build import build_cluster
from labkit.cluster.model import Cluster
from labkit.manifest.load import load

TRUTH = Path(os.environ.get("LABKIT_TRUTH", Path(__file__).parent / "truth"))
SCENARIOS = sorted((TRUTH / "scenarios").glob("*.yaml"))


def every_service() -> Cluster:
    """The Services of all recorded scenarios in one cluster, as they were when it was recorded."""
    labs = [build_cluster(load(path)) for path in SCENARIOS]
    services = [service for lab in labs for service in lab.services]
    return replace(
        labs[0],
        services=tuple(sorted(services, key=lambda service: service.key)),
        endpoints={name: known for lab in labs for name, known in lab.endpoints.items()},
    )
