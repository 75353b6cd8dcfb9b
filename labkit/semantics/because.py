"""Reasons for people: the sentence, the field of the manifest that decides, and who says so.

One function for each thing that decides about a flow. They hold words alone: what decides is in
the modules that call them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

DOCS: Final = "https://kubernetes.io/docs"
VIRTUAL_IPS: Final = f"{DOCS}/reference/networking/virtual-ips/"
POLICIES: Final = f"{VIRTUAL_IPS}#traffic-policies"
SERVICES: Final = f"{DOCS}/concepts/services-networking/service/"
MIGRATION: Final = f"{VIRTUAL_IPS}#migrating-from-iptables-mode-to-nftables"
SOURCE_IP: Final = f"{DOCS}/tutorials/services/source-ip/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Because:
    """One reason."""

    sentence: str
    """Without a capital and a full stop, so that reasons can be joined."""
    reference: str
    """A page of the documentation, or a KEP."""


MOST_PODS: Final = 3


def of_pods(reason: Because, pods: Sequence[str]) -> Because:
    """Return a reason with the pods that it holds for, where it does not hold for all."""
    named = all(pod in reason.sentence for pod in pods)
    if named:
        return reason
    # One left out would take as much room as the word that says so.
    many = len(pods) > MOST_PODS + 1
    words = [*pods[:MOST_PODS], f"{len(pods) - MOST_PODS} more"] if many else pods
    to = f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]
    return replace(reason, sentence=f"to {to}: {reason.sentence}")


def said(reasons: Sequence[Because]) -> str:
    """Return reasons as one sentence, each once."""
    return "; ".join({each.sentence: None for each in reasons})


# --- nobody serves it ---


def nobody_serves() -> Because:
    """The data plane ``none``."""
    return Because(
        sentence="this data plane makes no rules, and an address of a Service is no host's",
        reference=VIRTUAL_IPS,
    )


def is_somebody_elses(label: str) -> Because:
    """A Service that kube-proxy leaves alone."""
    return Because(
        sentence=f"the label {label} leaves the Service to another proxy, so no node has rules",
        reference=f"{DOCS}/reference/labels-annotations-taints/",
    )


def is_no_node_port_address(node: str, address: IPv4Address) -> Because:
    """``nodePortAddresses`` and ``localhostNodePorts``."""
    field = "localhostNodePorts" if address.is_loopback else "nodePortAddresses"
    return Because(
        sentence=f"{field}: {node} does not serve NodePorts on {address}",
        reference=f"{SERVICES}#service-nodeport-custom-listen-address",
    )


def has_no_localhost_node_ports(address: IPv4Address) -> Because:
    """A data plane that has no NodePorts on 127.0.0.1, whatever is configured."""
    return Because(
        sentence=f"this data plane has no NodePorts on {address}, whatever localhostNodePorts says",
        reference=MIGRATION,
    )


def is_not_the_primary_address(node: str, address: IPv4Address) -> Because:
    """A data plane that serves NodePorts on one address unless told otherwise."""
    return Because(
        sentence=f"without nodePortAddresses this data plane serves NodePorts on the primary "
        f"address of {node} alone, and {address} is another",
        reference=MIGRATION,
    )


def is_for_the_load_balancer(address: IPv4Address) -> Because:
    """``ipMode: Proxy``."""
    return Because(
        sentence=f"ipMode: Proxy of {address}, so nodes leave it to the load balancer",
        reference="KEP-1860",
    )


def has_no_port() -> Because:
    """A port that is none of the Service's."""
    return Because(sentence="the Service does not have this port", reference=SERVICES)


def has_no_way(address: IPv4Address) -> Because:
    """Nothing leads to a node."""
    return Because(
        sentence=f"no route leads to {address}: the LAN's router drops what it does not know",
        reference=f"{SERVICES}#external-ips",
    )


def is_no_service() -> Because:
    """A pod's own address."""
    return Because(
        sentence="this is a pod's own address, about which no Service decides",
        reference=f"{DOCS}/concepts/services-networking/#the-kubernetes-network-model",
    )


def is_health_check(service: str, node: str, status: int) -> Because:
    """``healthCheckNodePort``."""
    has = "a" if status == 200 else "no"  # noqa: PLR2004 - OK
    return Because(
        sentence=f"healthCheckNodePort of Service {service}: {node} has {has} ready endpoint of "
        f"its own, so it answers {status}",
        reference=f"{DOCS}/tasks/access-application-cluster/create-external-load-balancer/"
        "#preserving-the-client-source-ip",
    )


# --- which endpoints ---


def is_kept_out(source: IPv4Address) -> Because:
    """``loadBalancerSourceRanges``."""
    return Because(
        sentence=f"loadBalancerSourceRanges: {source} is in none of them, so the packet is dropped",
        reference=f"{SERVICES}#loadbalancer",
    )


def has_no_endpoint() -> Because:
    """No endpoint anywhere."""
    return Because(
        sentence="the Service has no ready endpoint, so the connection is refused",
        reference=VIRTUAL_IPS,
    )


def own_call_leaves() -> Because:
    """No endpoint, and the node's own packet is not looked at."""
    return Because(
        sentence="the Service has no ready endpoint, and a node's own call to an external address "
        "is not refused but sent to the router",
        reference=VIRTUAL_IPS,
    )


def has_none_here(policy: str, node: str, outcome: str) -> Because:
    """A Local policy on a node without an endpoint."""
    ends = "the packet is dropped" if outcome == "timeout" else "the connection is refused"
    return Because(
        sentence=f"{policy}: Local, and {node} has no ready endpoint, so {ends}",
        reference=POLICIES,
    )


def stays_here(policy: str, node: str) -> Because:
    """A Local policy on a node with endpoints."""
    return Because(
        sentence=f"{policy}: Local, so {node} sends to its own endpoints only",
        reference=POLICIES,
    )


def falls_back(policy: str, node: str) -> Because:
    """A Local policy that this data plane does not keep to."""
    return Because(
        sentence=f"{policy}: Local, but {node} has no ready endpoint, and this data plane then "
        "uses those of other nodes",
        reference="https://github.com/kubernetes/kubernetes/pull/97081",
    )


def is_inside() -> Because:
    """The short circuit of externalTrafficPolicy: Local."""
    return Because(
        sentence="externalTrafficPolicy: Local is for callers outside the cluster: pods and nodes "
        "reach every endpoint",
        reference=POLICIES,
    )


def goes_anywhere(policy: str, node: str) -> Because:
    """A Cluster policy."""
    return Because(
        sentence=f"{policy}: Cluster, so {node} sends to any ready endpoint",
        reference=POLICIES,
    )


def is_not_known(policy: str, _node: str) -> Because:
    """A policy that is newer than the kube-proxy that runs."""
    return Because(
        sentence=f"{policy}: Local is newer than this kube-proxy, which uses every endpoint",
        reference="KEP-2086",
    )


def is_for_outsiders(address: IPv4Address) -> Because:
    """An externalIP, and a caller in the cluster, before Kubernetes 1.21."""
    return Because(
        sentence=f"this kube-proxy serves the externalIP {address} to callers from outside alone, "
        "so the packet leaves the node",
        reference="https://github.com/kubernetes/kubernetes/pull/96296",
    )


def is_kept_out_but_goes_on(source: IPv4Address) -> Because:
    """``loadBalancerSourceRanges``, before Kubernetes 1.25."""
    return Because(
        sentence=f"loadBalancerSourceRanges: {source} is in none of them, and this kube-proxy "
        "drops what is for the node itself alone, so the packet leaves the node",
        reference="https://github.com/kubernetes/kubernetes/pull/110289",
    )


def has_none_here_but_goes_on(node: str) -> Because:
    """``externalTrafficPolicy: Local`` without an endpoint, before Kubernetes 1.25."""
    return Because(
        sentence=f"externalTrafficPolicy: Local, and {node} has no ready endpoint, and this "
        "kube-proxy drops what is for the node itself alone, so the packet leaves the node",
        reference="https://github.com/kubernetes/kubernetes/pull/110289",
    )


def terminates() -> Because:
    """Endpoints that terminate stand in for ready ones."""
    return Because(
        sentence="no endpoint is ready, so those that terminate and still serve are used",
        reference="KEP-1669",
    )


def is_held(seconds: int) -> Because:
    """Session affinity."""
    return Because(
        sentence=f"sessionAffinity: ClientIP keeps the caller on one endpoint for {seconds} s",
        reference=f"{VIRTUAL_IPS}#session-affinity",
    )


# --- which source ---


def is_masqueraded(node: str, address: IPv4Address) -> Because:
    """SNAT."""
    return Because(
        sentence=f"{node} masquerades it, so that the answer comes back the same way: the pod sees "
        f"{address}",
        reference=SOURCE_IP,
    )


def is_hairpin(node: str, address: IPv4Address) -> Because:
    """A pod that reaches itself."""
    return Because(
        sentence="a pod that reaches itself is masqueraded, or it would drop its own packet: it "
        f"sees {address} of {node}",
        reference=VIRTUAL_IPS,
    )


def is_hidden(node: str, address: IPv4Address) -> Because:
    """The CNI plugin's masquerade."""
    return Because(
        sentence="the CNI plugin masquerades what leaves the pod network: the pod sees "
        f"{address} of {node}",
        reference=f"{DOCS}/concepts/cluster-administration/networking/",
    )


def keeps_its_source(source: IPv4Address) -> Because:
    """No SNAT."""
    return Because(
        sentence=f"nothing masquerades it, so the pod sees {source}",
        reference=SOURCE_IP,
    )


def stays_on_the_host() -> Because:
    """A node's call to a pod on its own network."""
    return Because(
        sentence="the packet never leaves the node, whose kernel chooses the source",
        reference=SOURCE_IP,
    )


# --- what goes wrong on the way ---


def answers_itself(source: IPv4Address) -> Because:
    """A hairpin without masquerade."""
    return Because(
        sentence=f"the pod gets a packet from its own address {source} and drops it",
        reference=VIRTUAL_IPS,
    )


def cannot_leave(source: IPv4Address) -> Because:
    """127.0.0.1 on a wire."""
    return Because(
        sentence=f"a packet from {source} may not leave the node",
        reference="RFC 1122 section 3.2.1.3",
    )


def comes_home(source: IPv4Address, node: str) -> Because:
    """A node's own packet without masquerade, sent back to it by another node."""
    return Because(
        sentence=f"nothing masquerades it, so it comes back to {node} from {node}'s own address "
        f"{source}, which a kernel takes from no wire",
        reference="RFC 1812 section 5.3.7",
    )


def is_answered_by_a_stranger(pod: str, node: str) -> Because:
    """No SNAT, and the answer passes the node by."""
    return Because(
        sentence=f"nothing masquerades it, so {pod} answers past {node}: the caller hears from a "
        "stranger and gives up",
        reference=SOURCE_IP,
    )


def does_not_listen(pod: str, port: int) -> Because:
    """A targetPort on which nothing listens."""
    return Because(
        sentence=f"nothing in {pod} listens on port {port}, so its kernel refuses",
        reference=f"{SERVICES}#field-spec-ports",
    )
