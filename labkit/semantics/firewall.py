"""Where a node's own firewall decides what becomes of a flow: of that Kubernetes says nothing.

Differs from the rest of this package: it only says that there is no prediction. What is translated
before the firewall and forwarded does not meet it; what is for the node itself does.
"""

from __future__ import annotations

from labkit.cluster.lookup import own_node
from labkit.cluster.model import Cluster
from labkit.semantics.arrival import arrival
from labkit.semantics.flows import REFUSED, Flow, Prediction
from labkit.semantics.traits import Trait


def decides(cluster: Cluster, flow: Flow, found: Prediction, traits: frozenset[Trait]) -> bool:
    """Whether some node's firewall has a say in what was found to become of the flow."""
    guarded = {node.name for node in cluster.nodes if node.drops_input}
    if not guarded:
        return False
    return _meets_it(cluster, flow, found, traits, guarded) or any(
        pod.host_network and pod.node in guarded and pod.node != own_node(cluster, flow.source)
        for each in found.deliveries
        if (pod := cluster.pod_by_name.get(each.backend or "")) is not None
    )


def _meets_it(
    cluster: Cluster, flow: Flow, found: Prediction, traits: frozenset[Trait], guarded: set[str]
) -> bool:
    """Whether the node that looks after the flow takes it for its own.

    It does so with every Service's addresses where they are bound, and with what is refused.
    """
    came = None if flow.via == "PodIP" else arrival(cluster, flow)
    if came is None or came.own or came.node.name not in guarded:
        return False
    bound = Trait.ANSWERS_PING in traits
    return bound or any(each.outcome == REFUSED for each in found.deliveries)
