"""What comes of a flow that is sent to an endpoint: an answer, and the source that the pod sees."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address

from labkit.cluster.lookup import node_addresses
from labkit.cluster.model import Cluster, Endpoint, Pod, Protocol
from labkit.semantics import because
from labkit.semantics.arrival import Arrival, is_hidden, leaving_address
from labkit.semantics.because import Because
from labkit.semantics.choice import Choice
from labkit.semantics.flows import CONNECTED, REFUSED, TIMED_OUT, Delivery, Flow


@dataclass(frozen=True, slots=True)
class _Sent:
    """A packet on its way to an endpoint, and whether the answer comes back the same way."""

    source: IPv4Address | None
    because: Because
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
        return Delivery(outcome=TIMED_OUT, because=(sent.because,))
    return arrives(flow, pod, endpoint, sent.source, sent.because)


def arrives(
    flow: Flow, pod: Pod, endpoint: Endpoint, source: IPv4Address | None, why: Because
) -> Delivery:
    """Return what an attempt comes to that reaches its pod from ``source``."""
    if not _listens(pod, endpoint.port, flow.protocol):
        silent = because.does_not_listen(pod.name, endpoint.port)
        return Delivery(outcome=REFUSED, because=(silent,))
    return Delivery(
        outcome=CONNECTED,
        backend=pod.name,
        source=source,
        anonymous=any(container.command for container in pod.containers),
        because=(why,),
    )


def _send(
    cluster: Cluster, flow: Flow, came: Arrival, choice: Choice, endpoint: Endpoint, pod: Pod
) -> _Sent:
    here = pod.node == came.node.name
    source = choice.source or came.source
    if here and pod.host_network:
        # Nothing leaves the node, so nothing is masqueraded; of its own calls nothing is said.
        kept = because.stays_on_the_host() if came.own else _kept(came, source)
        return _Sent(None if came.own else source, kept)
    if source.is_loopback and choice.loses_loopback:
        return _Sent(source, because.cannot_leave(source), returns=False)
    there = leaving_address(cluster, came.node, endpoint.address)
    seen = came.node.bridge_ip if here else there
    hairpin = source == endpoint.address and (here or choice.knows_hairpins)
    if (choice.masquerade or hairpin) and cluster.masquerades:
        why = because.is_hairpin if hairpin else because.is_masqueraded
        return _Sent(seen, why(came.node.name, seen))
    if is_hidden(cluster, source, endpoint.address):
        return _Sent(seen, because.is_hidden(came.node.name, seen))
    itself = source.is_loopback or source == endpoint.address
    if not itself and (here or _returns(cluster, flow, came, source)):
        return _Sent(source, _kept(came, source))
    return _Sent(source, _why_no_answer(cluster, came, source, pod), returns=False)


def _why_no_answer(cluster: Cluster, came: Arrival, source: IPv4Address, pod: Pod) -> Because:
    """Why nothing comes back to ``source``, which nobody has masqueraded."""
    if source.is_loopback:
        return because.cannot_leave(source)
    if source == pod.address:
        return because.answers_itself(source)
    if source in node_addresses(cluster, cluster.node_by_name[pod.node]):
        return because.comes_home(source, pod.node)
    return because.is_answered_by_a_stranger(pod.name, came.node.name)


def _kept(came: Arrival, source: IPv4Address) -> Because:
    """Why the pod sees the source that the flow came with."""
    if came.hidden_by is not None:
        return because.is_hidden(came.hidden_by.name, source)
    return because.keeps_its_source(source)


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
