"""The desired state of a lab as frozen data: what every other part of labkit reads.

Addresses are `ipaddress` objects, ports are `int`, names are as the user wrote them. Nothing here
touches the kernel; two equal clusters are the same lab.

Source: kubernetes v1.36 staging/src/k8s.io/api/core/v1/types.go and discovery/v1/types.go for the
meaning of each Service and endpoint field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol as Interface

from labkit.cluster.object_names import ObjectName, ServicePortName


class Protocol(StrEnum):
    """Transport protocol of a port, as the API spells it."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class TrafficPolicy(StrEnum):
    """Value of externalTrafficPolicy and internalTrafficPolicy (KEP-2086)."""

    CLUSTER = "Cluster"
    LOCAL = "Local"


class ServiceType(StrEnum):
    """Value of a Service's ``spec.type``."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"
    EXTERNAL_NAME = "ExternalName"


class IPMode(StrEnum):
    """Value of a LoadBalancer ingress' ``ipMode`` (KEP-1860)."""

    VIP = "VIP"
    PROXY = "Proxy"


class PodNetwork(StrEnum):
    """How pods reach pods of other nodes."""

    HOST_GW = "host-gw"
    VXLAN = "vxlan"


class DetectLocalMode(StrEnum):
    """How kube-proxy tells pod traffic from other traffic (KubeProxyConfiguration)."""

    CLUSTER_CIDR = "ClusterCIDR"
    NODE_CIDR = "NodeCIDR"
    BRIDGE_INTERFACE = "BridgeInterface"
    INTERFACE_NAME_PREFIX = "InterfaceNamePrefix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A static route of a client."""

    to: IPv4Network
    via: IPv4Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: a namespace that forwards, holds pods and runs a data plane."""

    name: str
    address: IPv4Address
    pod_cidr: IPv4Network
    zone: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    drops_input: bool = False
    """Whether its own firewall drops packets to the node that nobody accepts."""

    @property
    def bridge_ip(self) -> IPv4Address:
        """Address of ``cni0``: the first of the node's pod CIDR."""
        return self.pod_cidr.network_address + 1

    @property
    def vxlan_ip(self) -> IPv4Address:
        """Address of ``flannel.1``: the pod CIDR's network address, as flannel chooses it."""
        return self.pod_cidr.network_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A host outside the cluster. It is on the LAN, or behind the fabric's router if not of it."""

    name: str
    address: IPv4Address
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerPort:
    """A port that a container declares."""

    port: int
    protocol: Protocol = Protocol.TCP
    name: str = ""
    host_port: int | None = None
    """A port of the node that leads here; None for none, and on the host network."""
    host_ip: IPv4Address | None = None
    """The one address of the node on which it does; None for every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container: the built-in responder on its ports, or ``command`` as a host program."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[ContainerPort, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod, placed on a node and with its address."""

    key: ObjectName
    node: str
    address: IPv4Address
    interface: str = ""
    """Name of the node's end of the veth pair; empty on the host network."""
    host_network: bool = False
    ready: bool = True
    """Whether its Ready condition is true; a pod that terminates can be ready still."""
    terminating: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    containers: tuple[Container, ...] = ()

    @property
    def name(self) -> str:
        """The pod's name as reports print it."""
        return self.key.shown


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """One port of a Service; ``node_port`` is None where the Service has none."""

    name: str
    protocol: Protocol
    port: int
    target_port: int | str
    node_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingress:
    """One ``status.loadBalancer.ingress`` entry."""

    ip: IPv4Address
    ip_mode: IPMode = IPMode.VIP


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A Service with everything allocated: ``cluster_ip`` is None for headless and ExternalName."""

    key: ObjectName
    type: ServiceType = ServiceType.CLUSTER_IP
    cluster_ip: IPv4Address | None = None
    ports: tuple[ServicePort, ...] = ()
    external_ips: tuple[IPv4Address, ...] = ()
    ingress: tuple[Ingress, ...] = ()
    source_ranges: tuple[IPv4Network, ...] = ()
    external_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    internal_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER
    affinity_timeout_s: int | None = None
    """Seconds of ClientIP session affinity; None for no affinity."""
    health_check_node_port: int | None = None
    traffic_distribution: str | None = None
    external_name: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def port_name(self, port: ServicePort) -> ServicePortName:
        """kube-proxy's key of ``port``."""
        return ServicePortName(self.key.namespace, self.key.name, port.name)

    @property
    def external_policy_local(self) -> bool:
        """Whether externalTrafficPolicy is Local."""
        return self.external_traffic_policy is TrafficPolicy.LOCAL

    @property
    def internal_policy_local(self) -> bool:
        """Whether internalTrafficPolicy is Local."""
        return self.internal_traffic_policy is TrafficPolicy.LOCAL


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One address and port behind a Service port (KEP-752), its conditions (KEP-1669) and hints."""

    address: IPv4Address
    port: int
    node: str | None = None
    pod: str | None = None
    """The pod's name as reports print it; None for an address that is no pod of this lab."""
    ready: bool = True
    serving: bool = True
    terminating: bool = False
    zone_hints: frozenset[str] = frozenset()
    node_hints: frozenset[str] = frozenset()

    @cached_property
    def address_port(self) -> str:
        """``10.244.1.2:80``: each node's rules say it several times."""
        return f"{self.address}:{self.port}"

    def __str__(self) -> str:
        return self.address_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Addresses of the emulated network."""

    lan: IPv4Network
    gateway: IPv4Address
    """The LAN's router, in the fabric; it drops in silence what it has no route for."""
    pod_cidr: IPv4Network
    service_cidr: IPv4Network
    pod_network: PodNetwork = PodNetwork.HOST_GW
    pod_masquerade: bool = True
    node_port_range: tuple[int, int] = (30000, 32767)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeProxy:
    """What kube-proxy's configuration says, under its own names (kubeproxy.config.k8s.io)."""

    cluster_cidr: IPv4Network | None
    """Local traffic comes from here; None for no local-traffic detection."""
    detect_local_mode: DetectLocalMode = DetectLocalMode.CLUSTER_CIDR
    bridge_interface: str = ""
    interface_name_prefix: str = ""
    node_port_addresses: tuple[IPv4Network, ...] = ()
    """NodePorts answer on node addresses in these; empty for every address."""
    masquerade_all: bool = False
    masquerade_bit: int = 14
    localhost_node_ports: bool = True
    ipvs_scheduler: str = "rr"
    ipvs_strict_arp: bool = False
    tcp_be_liberal: bool = False
    """Whether conntrack takes packets outside of their connection's window for part of it."""

    @property
    def masquerade_mark(self) -> int:
        """The packet mark that asks for SNAT, 0x4000 by default."""
        return 1 << self.masquerade_bit


@dataclass(frozen=True, slots=True, kw_only=True)
class RealKubeProxy:
    """The program that serves a lab under the data plane ``kube-proxy``."""

    version: str
    """As it says it: ``v1.36.0``."""
    mode: str

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor number of the version."""
        major, minor, *_ = self.version.removeprefix("v").split(".")
        return int(major), int(minor)

    @property
    def words(self) -> str:
        """The program as reports name it."""
        return f"kube-proxy {self.version} in {self.mode} mode"

    def __str__(self) -> str:
        return f"kube-proxy {self.version}, {self.mode} mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """An address or range of a real cluster, and the one that stands for it in the lab."""

    what: str
    """``node NAME``, ``podCIDR of node NAME``, ``pod NAME`` or ``Service NAME``."""
    given: str
    """What the cluster says; empty if it says nothing."""
    used: str
    why: str


class Remembers(Interface):
    """What a cluster was derived from, as far as the cluster asks it."""

    def by_key(self, services: tuple[Service, ...]) -> Mapping[ObjectName, Service] | None:
        """Those Services by namespace and name; None if they are not the ones that it knows."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A whole lab: hosts, placed pods, Services and the endpoints of each Service port.

    Every tuple keeps a deterministic order: hosts and pods as the scenario lists them, Services by
    namespace and name, endpoints by address and port.
    """

    name: str
    dataplane: str
    network: Network
    kube_proxy: KubeProxy
    nodes: tuple[Node, ...]
    clients: tuple[Client, ...]
    pods: tuple[Pod, ...] = ()
    services: tuple[Service, ...] = ()
    endpoints: Mapping[ServicePortName, tuple[Endpoint, ...]] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    """Rules that a demonstration leaves out, by the names in the Lab's ``without``."""
    real_kube_proxy: RealKubeProxy | None = None
    """What serves it under the data plane ``kube-proxy``; None under the others."""
    mapped: tuple[Mapped, ...] = ()
    """Addresses of a dumped cluster that the lab cannot have as they are."""
    origin: Remembers | None = field(default=None, repr=False, compare=False)
    """What it was derived from, for `labkit.cluster.build` to go on from; None if by hand."""

    @cached_property
    def node_by_name(self) -> Mapping[str, Node]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def pod_by_name(self) -> Mapping[str, Pod]:
        """Pods by the name that reports print."""
        return {pod.name: pod for pod in self.pods}

    @cached_property
    def client_by_name(self) -> Mapping[str, Client]:
        """Clients by name."""
        return {client.name: client for client in self.clients}

    @cached_property
    def service_by_key(self) -> Mapping[ObjectName, Service]:
        """Services by namespace and name, in any order."""
        known = self.origin.by_key(self.services) if self.origin else None
        return known or {service.key: service for service in self.services}

    @cached_property
    def health_checked(self) -> Sequence[Service]:
        """Services with a health check port, in order: every node asks for them."""
        return [each for each in self.services if each.health_check_node_port is not None]

    @cached_property
    def host_addresses(self) -> frozenset[IPv4Address]:
        """Addresses of nodes on the LAN, of clients and of pods."""
        nodes = (node.address for node in self.nodes)
        clients = (client.address for client in self.clients)
        return frozenset((*nodes, *clients, *(pod.address for pod in self.pods)))

    @property
    def masquerades(self) -> bool:
        """Whether the SNAT rules are there: a demonstration can leave them out."""
        return "masquerade" not in self.without

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        """Pods of one node, in scenario order."""
        return tuple(pod for pod in self.pods if pod.node == node)

    def service_ports(self) -> Iterator[tuple[Service, ServicePort]]:
        """Every port of every Service, in order."""
        for service in self.services:
            for port in service.ports:
                yield service, port
