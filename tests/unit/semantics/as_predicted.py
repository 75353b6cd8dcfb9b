"""What one sees of a data plane that does as predicted."""

from __future__ import annotations

from labkit.semantics.flows import Prediction, Seen


def seen(prediction: Prediction) -> Seen:
    """All attempts together; under session affinity those that are held to one endpoint."""
    deliveries = sorted(prediction.deliveries, key=lambda each: (each.outcome, str(each)))
    if prediction.held:
        deliveries = deliveries[:1]
    return Seen(
        outcomes=frozenset(each.outcome for each in deliveries),
        backends=frozenset(each.backend for each in deliveries if each.backend),
        sources=frozenset(each.source for each in deliveries if each.source),
    )
