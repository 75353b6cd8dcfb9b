"""What a lab shows, beside what its data plane was predicted to make of it."""

from __future__ import annotations

from collections.abc import Sequence

from labkit.lab.lab import Lab
from labkit.probe.compare import flow_of, seen_of
from labkit.semantics.flows import fits
from labkit.semantics.predict import predict
from labkit.semantics.traits import traits_of


def surprises(lab: Lab, sources: Sequence[str] | None = None) -> list[str]:
    """Flows that a running lab shows otherwise than predicted, one line each.

    Args:
        lab: what to ask.
        sources: as for `Lab.matrix`.
    """
    rows = [(row, flow_of(lab.cluster, row)) for row in lab.matrix(sources).flows]
    asked = [(row, flow) for row, flow in rows if flow is not None]
    assert asked
    traits = traits_of(lab.cluster.dataplane, lab.cluster.real_kube_proxy)
    found = []
    for row, flow in asked:
        prediction = predict(lab.cluster, flow, traits)
        if prediction is None or not fits(prediction, seen_of(row)):
            found.append(f"{row.source} to {row.service} {row.address}: {row} not {prediction}")
    return found
