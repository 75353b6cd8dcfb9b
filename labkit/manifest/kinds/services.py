"""Services and EndpointSlices, as the API server shapes them.

Source: kubernetes v1.36 core/v1 and discovery.k8s.io/v1.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from labkit.manifest.kinds.base import Address, Kubernetes, ObjectMeta, PolicyName, ProtocolName


class ServicePort(Kubernetes, frozen=True, kw_only=True):
    """``spec.ports[]`` of a Service; targetPort defaults to port."""

    port: int
    name: str = ""
    protocol: ProtocolName = "TCP"
    target_port: int | str | None = None
    node_port: int | None = None


class ClientIPConfig(Kubernetes, frozen=True, kw_only=True):
    """``sessionAffinityConfig.clientIP``."""

    timeout_seconds: int = 10800


class SessionAffinityConfig(Kubernetes, frozen=True, kw_only=True):
    """``sessionAffinityConfig``."""

    client_ip: ClientIPConfig = field(name="clientIP", default=ClientIPConfig())


class ServiceSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Service."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    selector: dict[str, str] | None = None
    ports: list[ServicePort] = []
    cluster_ip: Address | None = field(name="clusterIP", default=None)
    cluster_ips: list[Address] = field(name="clusterIPs", default_factory=list)
    external_name: str | None = None
    external_ips: list[Address] = field(name="externalIPs", default_factory=list)
    load_balancer_source_ranges: list[Address] = []
    external_traffic_policy: PolicyName = "Cluster"
    internal_traffic_policy: PolicyName = "Cluster"
    traffic_distribution: str | None = None
    session_affinity: Literal["None", "ClientIP"] = "None"
    session_affinity_config: SessionAffinityConfig = SessionAffinityConfig()
    health_check_node_port: int | None = None
    allocate_load_balancer_node_ports: bool = True
    publish_not_ready_addresses: bool = False


class LoadBalancerIngress(Kubernetes, frozen=True, kw_only=True):
    """``status.loadBalancer.ingress[]``; a hostname alone gives no rules."""

    ip: Address | None = None
    hostname: str | None = None
    ip_mode: Literal["VIP", "Proxy"] = field(name="ipMode", default="VIP")


class LoadBalancerStatus(Kubernetes, frozen=True, kw_only=True):
    """``status.loadBalancer``."""

    ingress: list[LoadBalancerIngress] = []


class ServiceStatus(Kubernetes, frozen=True, kw_only=True):
    """``status`` of a Service."""

    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class Service(Kubernetes, frozen=True, kw_only=True):
    """A Service."""

    metadata: ObjectMeta
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Kubernetes, frozen=True, kw_only=True):
    """``endpoints[].conditions``: ready is true unless said; serving follows ready unless said."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class HintName(Kubernetes, frozen=True, kw_only=True):
    """One entry of ``hints.forZones`` or ``hints.forNodes``."""

    name: str


class EndpointHints(Kubernetes, frozen=True, kw_only=True):
    """``endpoints[].hints`` (KEP-2433, KEP-3015)."""

    for_zones: list[HintName] = []
    for_nodes: list[HintName] = []


class ObjectReference(Kubernetes, frozen=True, kw_only=True):
    """``endpoints[].targetRef``."""

    kind: str = "Pod"
    name: str = ""
    namespace: str | None = None


class EndpointEntry(Kubernetes, frozen=True, kw_only=True):
    """``endpoints[]``."""

    addresses: list[Address]
    node_name: str | None = None
    zone: str | None = None
    conditions: EndpointConditions = EndpointConditions()
    hints: EndpointHints = EndpointHints()
    target_ref: ObjectReference | None = None


class EndpointPort(Kubernetes, frozen=True, kw_only=True):
    """``ports[]`` of an EndpointSlice."""

    port: int | None = None
    name: str = ""
    protocol: ProtocolName = "TCP"


class EndpointSlice(Kubernetes, frozen=True, kw_only=True):
    """An EndpointSlice given by hand; the label kubernetes.io/service-name says whose it is."""

    metadata: ObjectMeta
    address_type: str
    endpoints: list[EndpointEntry] = []
    ports: list[EndpointPort] = []
