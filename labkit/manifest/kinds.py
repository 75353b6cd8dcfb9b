"""The kinds that a scenario file may hold, shaped as the API server shapes them.

Values are as written: addresses are text, enums are strings; `labkit.manifest.validate` has checked
them before anybody sees them. Kubernetes kinds ignore fields that labkit does not know, as a dump
of a real cluster is full of them; `Lab` and `Check` refuse them.

Source: kubernetes v1.36 core/v1, apps/v1 and discovery.k8s.io/v1.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as data_field
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from labkit.manifest.loaded import Loaded
from labkit.manifest.location import Location

LABKIT_API: Final = "labkit.dev/v1"

ProtocolName = Literal["TCP", "UDP", "SCTP"]
PolicyName = Literal["Cluster", "Local"]
Address = Annotated[str, Meta(extra={"address": True})]
"""An address or CIDR as text. Decoding takes leading zeros away: 010.096.000.012 is 10.96.0.12, as
the API server reads it (k8s.io/utils/net, ParseIPSloppy)."""


class Kubernetes(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of Kubernetes' own kinds and their parts: unknown fields are ignored."""


class Own(
    Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """Base of labkit's kinds and their parts: unknown fields are errors."""


class OwnerReference(Kubernetes, frozen=True, kw_only=True):
    """``metadata.ownerReferences[]``."""

    kind: str = ""
    name: str = ""


class ObjectMeta(Kubernetes, frozen=True, kw_only=True):
    """``metadata``."""

    name: str = ""
    namespace: str = "default"
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[OwnerReference] = []


# --- Namespace, Node ------------------------------------------------------------------------------


class Namespace(Kubernetes, frozen=True, kw_only=True):
    """A Kubernetes Namespace; it only names."""

    metadata: ObjectMeta


class NodeAddress(Kubernetes, frozen=True, kw_only=True):
    """``status.addresses[]``; InternalIP is the one that counts."""

    type: str
    address: Address


class NodeStatus(Kubernetes, frozen=True, kw_only=True):
    """``status`` of a Node."""

    addresses: list[NodeAddress] = []


class NodeSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Node."""

    pod_cidr: Address | None = field(name="podCIDR", default=None)


class NodeObject(Kubernetes, frozen=True, kw_only=True):
    """A Kubernetes Node: its labels, its zone, its address and pod CIDR if given."""

    metadata: ObjectMeta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


# --- Pod, Deployment, ReplicaSet ------------------------------------------------------------------


class ContainerPort(Kubernetes, frozen=True, kw_only=True):
    """``ports[]`` of a container."""

    container_port: int
    name: str = ""
    protocol: ProtocolName = "TCP"
    host_port: int | None = None


class EnvVar(Kubernetes, frozen=True, kw_only=True):
    """``env[]`` of a container; valueFrom is ignored."""

    name: str
    value: str = ""


class Container(Kubernetes, frozen=True, kw_only=True):
    """A container. Without ``command`` it is the built-in responder, whatever its image."""

    name: str
    image: str = ""
    command: list[str] = []
    args: list[str] = []
    env: list[EnvVar] = []
    ports: list[ContainerPort] = []


class Condition(Kubernetes, frozen=True, kw_only=True):
    """``status.conditions[]``; type Ready is the one that counts."""

    type: str
    status: str


class PodStatus(Kubernetes, frozen=True, kw_only=True):
    """``status`` of a Pod."""

    phase: str = ""
    """A dumped pod that is Succeeded or Failed has ended, and is left out."""
    pod_ip: Address | None = field(name="podIP", default=None)
    conditions: list[Condition] = []


class PodSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Pod. initContainers are accepted and not run."""

    node_name: str | None = None
    host_network: bool = False
    containers: list[Container] = []
    init_containers: list[Container] = []


class Pod(Kubernetes, frozen=True, kw_only=True):
    """A Pod; the annotation ``labkit.dev/ready: "false"`` makes it unready."""

    metadata: ObjectMeta
    spec: PodSpec
    status: PodStatus = PodStatus()


class SelectorRequirement(Kubernetes, frozen=True, kw_only=True):
    """``matchExpressions[]``."""

    key: str
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[str] = []


class LabelSelector(Kubernetes, frozen=True, kw_only=True):
    """``spec.selector`` of a workload: checked against the template's labels."""

    match_labels: dict[str, str] = {}
    match_expressions: list[SelectorRequirement] = []


class PodTemplate(Kubernetes, frozen=True, kw_only=True):
    """``spec.template`` of a workload."""

    spec: PodSpec
    metadata: ObjectMeta = ObjectMeta()


class WorkloadSpec(Kubernetes, frozen=True, kw_only=True):
    """``spec`` of a Deployment or ReplicaSet."""

    template: PodTemplate
    selector: LabelSelector = LabelSelector()
    replicas: int = 1


class Workload(Kubernetes, frozen=True, kw_only=True):
    """A Deployment or ReplicaSet: ``replicas`` pods, placed round robin over the nodes."""

    metadata: ObjectMeta
    spec: WorkloadSpec


# --- Service, EndpointSlice -----------------------------------------------------------------------


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


# --- Lab ------------------------------------------------------------------------------------------


class LabNode(Own, frozen=True, kw_only=True):
    """One node of a Lab; what is left out is allocated."""

    name: str
    address: Address | None = None
    pod_cidr: Address | None = field(name="podCIDR", default=None)
    labels: dict[str, str] = {}
    zone: str | None = None


class ClientRoute(Own, frozen=True, kw_only=True):
    """A static route of a client; ``via`` is a node's name or an address."""

    to: Address
    via: Address


class LabClient(Own, frozen=True, kw_only=True):
    """One client of a Lab. An address outside the LAN puts it behind the fabric's router."""

    name: str
    address: Address | None = None
    routes: list[ClientRoute] = []


class LabNetwork(Own, frozen=True, kw_only=True):
    """Addresses of the emulated network."""

    lan: Address = "192.168.0.0/24"
    pod_cidr: Address = field(name="podCIDR", default="10.244.0.0/16")
    service_cidr: Address = field(name="serviceCIDR", default="10.96.0.0/12")
    pod_network: Literal["host-gw", "vxlan"] = "host-gw"
    pod_masquerade: bool = True


class KubeProxyIPTables(Own, frozen=True, kw_only=True):
    """``iptables`` of a KubeProxyConfiguration."""

    masquerade_all: bool = False
    localhost_node_ports: bool = True
    masquerade_bit: int = 14


class KubeProxyIPVS(Own, frozen=True, kw_only=True):
    """``ipvs`` of a KubeProxyConfiguration."""

    scheduler: str = "rr"
    strict_arp: bool = field(name="strictARP", default=False)


class DetectLocal(Own, frozen=True, kw_only=True):
    """``detectLocal`` of a KubeProxyConfiguration."""

    bridge_interface: str = ""
    interface_name_prefix: str = ""


class LabKubeProxy(Own, frozen=True, kw_only=True):
    """What a KubeProxyConfiguration would say, by its names."""

    cluster_cidr: Address | None = field(name="clusterCIDR", default=None)
    """None: the pod CIDR; empty text: no local-traffic detection."""
    detect_local_mode: Literal[
        "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"
    ] = "ClusterCIDR"
    detect_local: DetectLocal = DetectLocal()
    node_port_addresses: list[Address] = []
    iptables: KubeProxyIPTables = KubeProxyIPTables()
    ipvs: KubeProxyIPVS = KubeProxyIPVS()


DATAPLANES: Final = ("iptables", "ipvs", "nftables", "kube-proxy", "none")


class LabSpec(Own, frozen=True, kw_only=True):
    """``spec`` of a Lab. Everything has a default: two nodes and one client."""

    dataplane: Literal["iptables", "ipvs", "nftables", "kube-proxy", "none"] = "iptables"
    nodes: list[LabNode] = []
    clients: list[LabClient] | None = None
    """None: one client named ``client``."""
    network: LabNetwork = LabNetwork()
    kube_proxy: LabKubeProxy = LabKubeProxy()
    node_port_range: str = "30000-32767"
    without: list[Literal["masquerade"]] = []
    """Rules to leave out, to show what they are for."""


class LabMeta(Own, frozen=True, kw_only=True):
    """``metadata`` of a Lab or Check."""

    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Lab(Own, frozen=True, kw_only=True):
    """What to emulate."""

    metadata: LabMeta
    spec: LabSpec = LabSpec()


# --- Check ----------------------------------------------------------------------------------------


class Target(Own, frozen=True, kw_only=True):
    """Where a Check sends: exactly one of node, service, pod and address, and a port.

    ``node`` with a NodePort or any port of that node; ``service`` by its ClusterIP, or with ``via``
    ExternalIP or LoadBalancer by the first such address; ``pod`` by its own address.
    """

    node: str | None = None
    service: str | None = None
    pod: str | None = None
    address: Address | None = None
    port: int | str | None = None
    """A number, or a Service port's name; may be left out where a Service has one port."""
    via: Literal["ClusterIP", "ExternalIP", "LoadBalancer"] = "ClusterIP"


class Expect(Own, frozen=True, kw_only=True):
    """What must be seen; what is left out is not looked at."""

    outcome: Literal["connected", "refused", "timeout", "unreachable", "reset", "mixed"] | None = (
        None
    )
    backends: list[str] | None = None
    """Exactly the pods that answered."""
    client_source: Address | list[Address] | None = None
    """Every source seen must be one of these: ``preserved``, a node's name or an address."""
    same_backend: bool | None = None
    """Whether one pod answered every attempt (session affinity)."""
    balance: Literal["uniform"] | None = None
    """The backends' shares pass a chi-squared test for equal shares."""
    reply_from: Address | None = None
    """Whose address the reply carried that reached the source: a pod, a node or an address."""
    source_answers: Literal["RST"] | None = None
    """What the source's kernel sent back to that reply."""
    http_status: int | None = None
    """Status of the HTTP answer, as for a health check port."""


class CheckSpec(Own, frozen=True, kw_only=True):
    """``spec`` of a Check."""

    from_: str | list[str] = field(name="from")
    to: Target
    expect: Expect
    protocol: ProtocolName = "TCP"
    attempts: int | None = None


class Check(Own, frozen=True, kw_only=True):
    """What to probe and what to expect."""

    metadata: LabMeta
    spec: CheckSpec


# --- a whole file ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedCheck:
    """A Check and the line that it starts on."""

    check: Check
    location: Location

    @property
    def name(self) -> str:
        """The Check's name."""
        return self.check.metadata.name


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Everything that one or more files said, validated, in file order."""

    lab: Lab
    checks: tuple[LocatedCheck, ...] = ()
    node_objects: tuple[NodeObject, ...] = ()
    pods: tuple[Pod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    path: str = "<memory>"
    description: str = ""
    """The comment at the head of the file: what the scenario shows."""
    ignored: tuple[str, ...] = ()
    """What the files hold and the lab leaves out, in words: ``2 ConfigMap``."""
    objects: tuple[Loaded, ...] = data_field(default=(), repr=False, compare=False)
    """Every object with its place in the files, so that the scenario can be changed."""
