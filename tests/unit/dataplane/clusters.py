"""Two nodes, a Service with an endpoint on each, and packets; the addresses are kube-proxy's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from labkit.cluster.model import (
    Cluster,
    Endpoint,
    Ingress,
    KubeProxy,
    Network,
    Node,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.iptables.render import render
from labkit.dataplane.walk import Packet, Verdict, Walk, walk

NODE1, NODE2 = (
    Node(
        name=f"node{number}",
        address=IPv4Address(f"192.168.0.{number}"),
        pod_cidr=IPv4Network(f"10.180.{number}.0/24"),
        zone=f"zone{number}",
    )
    for number in (1, 2)
)
HERE = Endpoint(address=IPv4Address("10.180.1.2"), port=80, node="node1", pod="web-1")
"""The endpoint on node1."""
THERE = Endpoint(address=IPv4Address("10.180.2.2"), port=80, node="node2", pod="web-2")
"""The endpoint on node2."""
BOTH = frozenset({"10.180.1.2:80", "10.180.2.2:80"})
ONLY_HERE = frozenset({"10.180.1.2:80"})

POD = IPv4Address("10.180.1.9")
"""A pod on node1 that is no endpoint."""
CLIENT = IPv4Address("203.0.113.2")
LOCALHOST = IPv4Address("127.0.0.1")
CLUSTER_IP = IPv4Address("172.30.0.41")
EXTERNAL_IP = IPv4Address("192.0.2.7")
LB_IP = IPv4Address("192.0.2.9")
NODE_PORT = 30080
P80 = ServicePort(name="p80", protocol=Protocol.TCP, port=80, target_port=80, node_port=NODE_PORT)
LOCAL = TrafficPolicy.LOCAL

SENDERS = {
    "pod": (POD, "cni0"),
    "endpoint": (HERE.address, "cni0"),
    "node": (NODE1.address, ""),
    "localhost": (LOCALHOST, ""),
    "client": (CLIENT, "eth0"),
}
"""Who sends to node1, and by which of its interfaces."""

WEB = Service(
    key=ObjectName("ns1", "svc1"),
    type=ServiceType.LOAD_BALANCER,
    cluster_ip=CLUSTER_IP,
    ports=(P80,),
    external_ips=(EXTERNAL_IP,),
    ingress=(Ingress(ip=LB_IP),),
)
"""A Service with every kind of address and both policies Cluster."""

CONFIG = KubeProxy(cluster_cidr=IPv4Network("10.0.0.0/8"))
NETWORK = Network(
    lan=IPv4Network("192.168.0.0/24"),
    gateway=IPv4Address("192.168.0.254"),
    pod_cidr=IPv4Network("10.180.0.0/16"),
    service_cidr=IPv4Network("172.30.0.0/16"),
    pod_masquerade=False,
)


def cluster(
    *services: Service,
    endpoints: Iterable[Endpoint] = (HERE, THERE),
    config: KubeProxy = CONFIG,
    without: frozenset[str] = frozenset(),
) -> Cluster:
    """A cluster in which every Service port has the same endpoints."""
    known = tuple(endpoints)
    return Cluster(
        name="lab",
        dataplane="iptables",
        network=NETWORK,
        kube_proxy=config,
        nodes=(NODE1, NODE2),
        clients=(),
        services=services,
        endpoints={
            service.port_name(port): known for service in services for port in service.ports
        },
        without=without,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a packet, whichever way chance had it go."""

    verdict: Verdict
    to: frozenset[str]
    """Endpoints that it may have gone to; empty if it was not translated."""
    masqueraded: bool
    ways: tuple[Walk, ...]

    @property
    def refused(self) -> bool:
        """Whether the sender hears at once that nobody is there."""
        return self.verdict is Verdict.REJECT

    @property
    def dropped(self) -> bool:
        """Whether the sender hears nothing."""
        return self.verdict is Verdict.DROP


def send(
    lab: Cluster,
    sender: str | IPv4Address,
    destination: IPv4Address,
    dport: int = 80,
    *,
    protocol: Protocol = Protocol.TCP,
    remembered: Sequence[str] = (),
) -> Sent:
    """Send a first packet by node1; an address that is none of SENDERS comes from outside."""
    source, interface = SENDERS[sender] if isinstance(sender, str) else (sender, "eth0")
    packet = Packet(
        source=source,
        destination=destination,
        dport=dport,
        protocol=protocol,
        interface=interface,
        remembered=frozenset(remembered),
    )
    ways = walk(render(lab, NODE1), packet, cluster=lab, node=NODE1)
    (verdict,) = {way.verdict for way in ways}
    (masqueraded,) = {way.masqueraded for way in ways}
    return Sent(
        verdict=verdict,
        to=frozenset(way.to for way in ways if way.translated),
        masqueraded=masqueraded,
        ways=ways,
    )


def ready(endpoint: Endpoint, *, zones: str = "", nodes: str = "") -> Endpoint:
    """The endpoint with hints, given as words."""
    return replace(
        endpoint, zone_hints=frozenset(zones.split()), node_hints=frozenset(nodes.split())
    )


def terminating(endpoint: Endpoint, *, serving: bool = True) -> Endpoint:
    """The endpoint while its pod ends."""
    return replace(endpoint, ready=False, serving=serving, terminating=True)
