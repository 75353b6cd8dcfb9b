"""``Lab`` and ``Check``: the two kinds that are labkit's own."""

from __future__ import annotations

from typing import Final, Literal

from msgspec import field
from msgspec.structs import replace

from labkit.manifest.kinds.base import Address, Own, ProtocolName


class LabNode(Own, frozen=True, kw_only=True):
    """One node of a Lab; what is left out is allocated."""

    name: str
    address: Address | None = None
    pod_cidr: Address | None = field(name="podCIDR", default=None)
    labels: dict[str, str] = {}
    zone: str | None = None
    input_policy: Literal["ACCEPT", "DROP"] = "ACCEPT"
    """What the node's own firewall does with packets to the node that nobody accepts."""


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


class KubeProxyConntrack(Own, frozen=True, kw_only=True):
    """``conntrack`` of a KubeProxyConfiguration."""

    tcp_be_liberal: bool = False


class DetectLocal(Own, frozen=True, kw_only=True):
    """``detectLocal`` of a KubeProxyConfiguration."""

    bridge_interface: str = ""
    interface_name_prefix: str = ""


ProxyMode = Literal["iptables", "ipvs", "nftables"]
PROXY_MODES: Final = ("iptables", "ipvs", "nftables")


class LabKubeProxy(Own, frozen=True, kw_only=True):
    """What a KubeProxyConfiguration would say, by its names."""

    mode: ProxyMode = "iptables"
    """Of the data plane ``kube-proxy`` alone: the others are a mode each."""
    cluster_cidr: Address | None = field(name="clusterCIDR", default=None)
    """None: the pod CIDR; empty text: no local-traffic detection."""
    detect_local_mode: Literal[
        "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"
    ] = "ClusterCIDR"
    detect_local: DetectLocal = DetectLocal()
    node_port_addresses: list[Address] = []
    iptables: KubeProxyIPTables = KubeProxyIPTables()
    ipvs: KubeProxyIPVS = KubeProxyIPVS()
    conntrack: KubeProxyConntrack = KubeProxyConntrack()


DataPlaneName = Literal["iptables", "ipvs", "nftables", "kube-proxy", "none"]
DATAPLANES: Final = ("iptables", "ipvs", "nftables", "kube-proxy", "none")


class LabSpec(Own, frozen=True, kw_only=True):
    """``spec`` of a Lab. Everything has a default: two nodes and one client."""

    dataplane: DataPlaneName = "iptables"
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
    conformant: bool = False
    """Whether everything must be as the specification model says; written `expect: conformant`."""


class CheckSpec(Own, frozen=True, kw_only=True):
    """``spec`` of a Check."""

    from_: str | list[str] = field(name="from")
    to: Target
    expect: Expect
    expect_under: dict[DataPlaneName, Expect] = {}
    """What is expected instead where a data plane does something else."""
    protocol: ProtocolName = "TCP"
    attempts: int | None = None
    request_bytes: int | None = None
    """The request carries so many bytes, and an answer counts as a pod's if it carries them too."""

    def under(self, *dataplanes: str) -> CheckSpec:
        """The same with what is expected under the first of these data planes that it names."""
        named = {str(name): expect for name, expect in self.expect_under.items()}
        own = (named[name] for name in dataplanes if name in named)
        return replace(self, expect=next(own, self.expect))


class Check(Own, frozen=True, kw_only=True):
    """What to probe and what to expect."""

    metadata: LabMeta
    spec: CheckSpec
