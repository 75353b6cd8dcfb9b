"""What comes of a flow that is sent to an endpoint: an answer, and the source that the pod sees."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from labkit.cluster.model import Cluster, Endpoint, Pod, Protocol
from labkit.semantics.arrival import Arrival, is_hidden, leaving_address
from labkit.semantics.choice import Choice
from labkit.semantics.flows import CONNECTED, REFUSED, TIMED_OUT, Delivery, Flow

"""The Lab's word for leaving the SNAT rules out."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A packet on its way to an endpoint, and whether the answer comes back the same way."""

    source: IPv4Address | None
    returns: bool = True


def deliver(
    cluster: Cluster, flow: Flow, came: Arrival, choice: Choice, endpoint: Endpoint
) -> Delivery | None:
    """Return what an attempt comes to that is sent to ``endpoint``; None if nothing says."""
    pod = cluster.pod_by_name.get(endpoint.pod or "")
    if pod is None:
        return None
    sent = _send(cluster, flow, came, choice, endpoint, pod)
    if not sent.returns:
        return Delivery(outcome=TIMED_OUT)
    if not _listens(pod, endpoint.port, flow.protocol):
        return Delivery(outcome=REFUSED)
    anonymous = any(container.command for container in pod.containers)
    return Delivery(outcome=CONNECTED, backend=pod.name, source=sent.source, anonymous=anonymous)


def _send(
    cluster: Cluster, flow: Flow, came: Arrival, choice: Choice, endpoint: Endpoint, pod: Pod
) -> _Sent:
    here = pod.node == came.node.name
    source = choice.source or came.source
    if here and pod.host_network:
        # Nothing leaves the node, so nothing is masqueraded; of its own calls nothing is said.
        return _Sent(None if came.own else source)
    hidden = is_hidden(cluster, source, endpoint.address)
    hairpin = source == endpoint.address and (here or choice.knows_hairpins)
    asked = choice.masquerade or hairpin
    if hidden or (asked and cluster.masquerades):
        there = leaving_address(cluster, came.node, endpoint.address)
        return _Sent(came.node.bridge_ip if here else there)
    if source.is_loopback or source == endpoint.address:
        return _Sent(source, returns=False)
    return _Sent(source, here or _returns(cluster, flow, came, source))


def _returns(cluster: Cluster, flow: Flow, came: Arrival, source: IPv4Address) -> bool:
    """Whether an answer from another node passes here again: else a stranger answers."""
    if came.own:
        # Every node has a Service's address that is bound: the answer stays where the pod is.
        return flow.via == "NodePort" or source != flow.address
    pod = cluster.pod_by_name.get(flow.source)
    return pod is not None and pod.address == source and pod.node == came.node.name


def _listens(pod: Pod, number: int, protocol: Protocol) -> bool:
    return any(
        port.port == number and port.protocol is protocol
        for container in pod.containers
        for port in container.ports
    )
