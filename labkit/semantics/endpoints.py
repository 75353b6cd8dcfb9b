"""Which endpoints the API lets a node use for a Service port, and which Services are proxied.

Derived from the words of the API alone. What renders rules has a derivation of its own, after
kube-proxy's code, so that a mistake in one is seen by the other.

Source: KEP-1669 (terminating endpoints), KEP-2086 (internalTrafficPolicy), KEP-2433 and KEP-3015
(hints), KEP-1860 (ipMode); https://kubernetes.io/docs/reference/networking/virtual-ips/.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import (
    Cluster,
    Endpoint,
    Ingress,
    IPMode,
    Node,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.semantics.traits import Trait

SOMEBODY_ELSES: Final = (
    "service.kubernetes.io/headless",
    "service.kubernetes.io/service-proxy-name",
)
"""Labels of Services that kube-proxy leaves alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """The endpoints of a Service port that traffic on one node may be sent to."""

    anywhere: tuple[Endpoint, ...]
    """Under a Cluster policy; empty if the Service has no address with that policy."""
    here: tuple[Endpoint, ...]
    """Those of the node itself: under a Local policy."""
    exists: bool
    """Whether any node has a usable one."""


def usable(
    cluster: Cluster, service: Service, port: ServicePort, node: Node, traits: frozenset[Trait]
) -> Usable:
    """Return the endpoints that ``node`` may use for a port of ``service``."""
    known: Sequence[Endpoint] = cluster.endpoints.get(service.port_name(port), ())
    if Trait.IGNORES_TERMINATING in traits:
        known = [each for each in known if each.ready]
    some = _best(known)
    local = internal_policy_local(service, traits)
    reaches_all = not local or is_reachable_from_outside(service, port, traits)
    meant = some if Trait.IGNORES_HINTS in traits else _meant_for(some, node)
    return Usable(
        anywhere=meant if reaches_all else (),
        here=_best(each for each in known if each.node == node.name),
        exists=bool(some),
    )


def internal_policy_local(service: Service, traits: frozenset[Trait]) -> bool:
    """Whether internalTrafficPolicy: Local counts."""
    return service.internal_policy_local and Trait.IGNORES_INTERNAL_POLICY not in traits


def label_of_another_proxy(service: Service) -> str | None:
    """The label that makes kube-proxy leave a Service alone, if it has one."""
    return next((label for label in SOMEBODY_ELSES if label in service.labels), None)


def is_proxied(service: Service) -> bool:
    """Whether nodes have rules for a Service: it has a ClusterIP, and is not somebody else's."""
    virtual = service.cluster_ip is not None and service.type is not ServiceType.EXTERNAL_NAME
    return virtual and label_of_another_proxy(service) is None


def is_on_nodes(service: Service, address: IPv4Address, traits: frozenset[Trait]) -> bool:
    """Whether nodes serve a LoadBalancer address themselves: not with ``ipMode: Proxy``."""
    return any(each.ip == address and _is_vip(each, traits) for each in service.ingress)


def is_reachable_from_outside(
    service: Service, port: ServicePort, traits: frozenset[Trait]
) -> bool:
    """Whether externalTrafficPolicy has a say: there is an address for callers outside."""
    served = any(_is_vip(each, traits) for each in service.ingress)
    return port.node_port is not None or served or bool(service.external_ips)


def _is_vip(ingress: Ingress, traits: frozenset[Trait]) -> bool:
    return ingress.ip_mode is IPMode.VIP or Trait.IGNORES_IP_MODE in traits


def _best(known: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Ready ones; where there are none, those that terminate and serve still."""
    candidates = tuple(known)
    ready = tuple(each for each in candidates if each.ready)
    return ready or tuple(each for each in candidates if each.serving and each.terminating)


def _meant_for(some: tuple[Endpoint, ...], node: Node) -> tuple[Endpoint, ...]:
    """Those that hints give to a node: if each has hints, and one of them names it.

    Hints are for ready endpoints: those that terminate may be used everywhere.
    """
    if not any(each.ready for each in some):
        return some
    if all(each.node_hints for each in some):
        chosen = tuple(each for each in some if node.name in each.node_hints)
        if chosen:
            return chosen
    if all(each.zone_hints for each in some):
        return tuple(each for each in some if node.zone in each.zone_hints) or some
    return some
