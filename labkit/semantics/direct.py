"""What becomes of a flow to a pod's own address, which no rule for Services touches.

Source: https://kubernetes.io/docs/concepts/services-networking/#the-kubernetes-network-model.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from labkit.cluster.lookup import own_node
from labkit.cluster.model import Cluster, Pod
from labkit.semantics import because
from labkit.semantics.arrival import is_hidden, leaving_address, way_of_client
from labkit.semantics.because import Because
from labkit.semantics.delivery import arrives
from labkit.semantics.flows import TIMED_OUT, Delivery, Flow, Prediction


def predict_direct(cluster: Cluster, flow: Flow) -> Prediction | None:
    """Return what becomes of a flow to an endpoint's address; None if no pod of the lab has it."""
    key = flow.port and flow.service.port_name(flow.port)
    known = cluster.endpoints.get(key, ()) if key else ()
    endpoint = next((each for each in known if each.address == flow.address), None)
    pod = cluster.pod_by_name.get(endpoint.pod or "") if endpoint else None
    if endpoint is None or pod is None:
        return None
    client = cluster.client_by_name.get(flow.source)
    beyond = not pod.host_network
    if client and beyond and way_of_client(cluster, client, flow.address) is None:
        return _only(Delivery(outcome=TIMED_OUT), because.has_no_way(flow.address))
    source, why = _source(cluster, flow, pod)
    return _only(arrives(flow, pod, endpoint, source, why), because.is_no_service())


def _only(delivery: Delivery, reason: Because) -> Prediction:
    return Prediction(deliveries=frozenset({delivery}), because=(reason,))


def _source(cluster: Cluster, flow: Flow, pod: Pod) -> tuple[IPv4Address, Because]:
    """The client address that the pod sees."""
    host = own_node(cluster, flow.source)
    caller = cluster.pod_by_name.get(flow.source)
    if host is not None:
        node = cluster.node_by_name[host]
        leaves = not pod.host_network and pod.node == host
        found = node.bridge_ip if leaves else leaving_address(cluster, node, flow.address)
        return found, because.keeps_its_source(found)
    if caller is None:
        found = cluster.client_by_name[flow.source].address
        return found, because.keeps_its_source(found)
    node = cluster.node_by_name[caller.node]
    if caller.node != pod.node and is_hidden(cluster, caller.address, flow.address):
        found = leaving_address(cluster, node, flow.address)
        return found, because.is_hidden(node.name, found)
    return caller.address, because.keeps_its_source(caller.address)
