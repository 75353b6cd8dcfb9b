"""Random clusters as Hypothesis strategies: valid by construction, odd by intention.

What is drawn first shrinks first: a cluster without nodes to spare, then without pods, then
Services with nothing but defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from labkit.fuzz import hosts
from labkit.fuzz.hosts import Manifest, PodState

NAME: Final = "fuzz"
ZONES: Final = ("", "zone-a", "zone-b")
LABELS: Final[Sequence[Mapping[str, str]]] = (
    {"app": "a"},
    {},
    {"app": "b"},
    {"app": "a", "also": "b"},
)
SELECTORS: Final[Sequence[Mapping[str, str]]] = ({"app": "a"}, {"app": "b"}, {"also": "b"})
"""They overlap, so that Services share endpoints."""
PROBABLY: Final = (True, True, True, True, False)
RARELY: Final = (False, False, False, False, False, True)
SOMETIMES: Final = (False, False, True)
TARGETS: Final[Mapping[str, Sequence[int | str]]] = {
    "TCP": (hosts.LISTENS, "http", hosts.ALSO_LISTENS, hosts.HOST_LISTENS, 81),
    "UDP": (hosts.UDP_LISTENS, "dns", hosts.HOST_UDP_LISTENS),
}
"""targetPorts by protocol; nobody listens on 81."""
NODE_PORTS: Final = (30080, 30081, 32000)
PORTS: Final = (80, 8080, 53)
EXTERNAL: Final = ("203.0.113.1", "203.0.113.2", "203.0.113.3")
"""So few that Services share them, with another port or for another purpose."""
RANGES: Final = (
    "192.168.0.0/24",
    "198.51.100.7/32",
    "10.244.0.0/16",
    "192.168.0.2/32",
    "0.0.0.0/0",
)
PROXY_LABELS: Final[Sequence[Mapping[str, str]]] = (
    {},
    {},
    {},
    {},
    {},
    {},
    {"service.kubernetes.io/service-proxy-name": "another"},
    {"service.kubernetes.io/headless": ""},
)
CONDITIONS: Final[Sequence[Mapping[str, bool]]] = (
    {"ready": True},
    {"ready": True},
    {"ready": True},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
    {"ready": False, "serving": False},
    {"ready": True, "serving": True, "terminating": True},
)
"""Of endpoints that are written by hand; the last is what publishNotReadyAddresses makes."""
KUBE_PROXY: Final[Sequence[Mapping[str, Any]]] = (
    {},
    {},
    {},
    {"clusterCIDR": ""},
    {"iptables": {"masqueradeAll": True}},
    {"detectLocalMode": "NodeCIDR"},
    {"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": "cni0"}},
    {"detectLocalMode": "InterfaceNamePrefix", "detectLocal": {"interfaceNamePrefix": "cni"}},
    {"nodePortAddresses": ["192.168.0.0/24"]},
    {"nodePortAddresses": ["127.0.0.0/8", "10.244.0.0/16"]},
    {"iptables": {"localhostNodePorts": False}},
    {"iptables": {"masqueradeBit": 9}},
    {"clusterCIDR": "", "iptables": {"masqueradeAll": True}},
)
"""KubeProxyConfigurations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomCluster:
    """A cluster as the manifests that describe it."""

    manifests: tuple[Manifest, ...]
    """The Lab first."""


@dataclass(slots=True)
class _Taken:
    """What Services of one cluster may not have twice."""

    node_ports: set[tuple[str, int]] = field(default_factory=set)
    addresses: set[tuple[str, str, int]] = field(default_factory=set)

    def node_port(self, protocol: str, wanted: int) -> int:
        """The wanted port, or the next that is free for this protocol."""
        while (protocol, wanted) in self.node_ports:
            wanted += 1
        self.node_ports.add((protocol, wanted))
        return wanted

    def takes(self, address: str, ports: Sequence[Mapping[str, Any]]) -> bool:
        """Take an address with all ports, if no other Service has one of them there."""
        claims = {(address, str(port["protocol"]), int(port["port"])) for port in ports}
        if claims & self.addresses:
            return False
        self.addresses |= claims
        return True


@st.composite
def clusters(
    draw: st.DrawFn,
    *,
    nodes: int,
    services: int,
    spec: Mapping[str, Any],
    configured: bool = False,
) -> RandomCluster:
    """A cluster on the hosts that there are.

    Args:
        draw: Hypothesis'.
        nodes: how many it has at most.
        services: likewise.
        spec: what the Lab says of the hosts.
        configured: whether ``spec`` is all of the configuration, and all nodes are there.
    """
    least = nodes if configured else 1
    zones = draw(st.lists(st.sampled_from(ZONES), min_size=least, max_size=nodes))
    said = dict(spec) if configured else {**spec, **draw(_configurations(spec.get("network", {})))}
    names, pods = [], []
    for number in range(1, len(zones) + 1):
        states = draw(st.lists(pod_states, max_size=hosts.PODS_A_NODE))
        on_host = [(0, draw(pod_states))] if draw(st.sampled_from(SOMETIMES)) else []
        for place, state in (*enumerate(states, 1), *on_host):
            names.append((number, place))
            pods.append(hosts.pod_manifest(number, place, state))
    taken = _Taken()
    found: list[Manifest] = []
    for number in range(1, draw(st.integers(1, services)) + 1):
        found += draw(_service(number, names, taken))
    lab = hosts.lab_manifest(NAME, zones, said)
    return RandomCluster(manifests=(lab, *pods, *found))


@st.composite
def _configurations(draw: st.DrawFn, network: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "network": {**network, "podMasquerade": draw(st.sampled_from(PROBABLY))},
        "kubeProxy": draw(st.sampled_from(KUBE_PROXY)),
    }


pod_states: st.SearchStrategy[PodState] = st.builds(
    PodState,
    labels=st.sampled_from(LABELS),
    ready=st.sampled_from(PROBABLY),
    terminating=st.sampled_from(RARELY),
)


@st.composite
def _service(
    draw: st.DrawFn, number: int, pods: Sequence[tuple[int, int]], taken: _Taken
) -> list[Manifest]:
    """A Service, with its EndpointSlice if it has no selector."""
    kind = draw(st.sampled_from(("ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer")))
    ports = draw(_ports(kind, taken))
    name = f"web-{number}"
    spec: dict[str, Any] = {
        "type": kind,
        "clusterIP": f"10.96.0.{number}",
        "ports": ports,
        **draw(_policies(kind)),
    }
    external = [each for each in draw(_some(EXTERNAL)) if taken.takes(each, ports)]
    if external:
        spec["externalIPs"] = external
    by_hand = draw(st.sampled_from(SOMETIMES))
    if not by_hand:
        spec["selector"] = draw(st.sampled_from(SELECTORS))
    metadata: dict[str, Any] = {"name": name}
    if labels := draw(st.sampled_from(PROXY_LABELS)):
        metadata["labels"] = labels
    service: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": spec,
    }
    if kind == "LoadBalancer":
        service["status"] = {"loadBalancer": draw(_load_balancer(number, ports, taken))}
    slices = [draw(_slice(name, ports, pods))] if by_hand else []
    return [service, *slices]


@st.composite
def _ports(draw: st.DrawFn, kind: str, taken: _Taken) -> list[dict[str, Any]]:
    wanted = draw(
        st.lists(
            st.tuples(st.sampled_from(("TCP", "UDP")), st.sampled_from(PORTS)),
            min_size=1,
            max_size=2,
            unique=True,
        )
    )
    found: list[dict[str, Any]] = []
    for index, (protocol, number) in enumerate(wanted):
        port: dict[str, Any] = {
            "name": f"p{index}",
            "protocol": protocol,
            "port": number,
            "targetPort": draw(st.sampled_from(TARGETS[protocol])),
        }
        if kind != "ClusterIP":
            port["nodePort"] = taken.node_port(protocol, draw(st.sampled_from(NODE_PORTS)))
        found.append(port)
    return found


@st.composite
def _policies(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """What a Service says beside its addresses; a field with its default is left out."""
    said: dict[str, Any] = {}
    if kind != "ClusterIP" and draw(st.booleans()):
        said["externalTrafficPolicy"] = "Local"
    if draw(st.sampled_from(SOMETIMES)):
        said["internalTrafficPolicy"] = "Local"
    if draw(st.sampled_from(SOMETIMES)):
        said["sessionAffinity"] = "ClientIP"
    if draw(st.sampled_from(RARELY)):
        said["publishNotReadyAddresses"] = True
    if wish := draw(st.sampled_from(("", "", "PreferSameZone", "PreferSameNode"))):
        said["trafficDistribution"] = wish
    if kind == "LoadBalancer" and draw(st.booleans()):
        said["loadBalancerSourceRanges"] = draw(
            st.lists(st.sampled_from(RANGES), min_size=1, max_size=2, unique=True)
        )
    return said


@st.composite
def _load_balancer(
    draw: st.DrawFn, number: int, ports: Sequence[Mapping[str, Any]], taken: _Taken
) -> dict[str, Any]:
    """The load balancer's addresses: one of its own, or one that is used for other ports too."""
    own = f"203.0.113.{100 + number}"
    wanted = draw(st.lists(st.sampled_from((own, *EXTERNAL)), min_size=1, max_size=2, unique=True))
    ingress = [
        {"ip": address, "ipMode": "Proxy" if draw(st.sampled_from(RARELY)) else "VIP"}
        for address in wanted
        if taken.takes(address, ports)
    ]
    return {"ingress": ingress} if ingress else {}


@st.composite
def _slice(
    draw: st.DrawFn,
    service: str,
    ports: Sequence[Mapping[str, Any]],
    pods: Sequence[tuple[int, int]],
) -> Manifest:
    """An EndpointSlice by hand: pods in any condition, with any hints."""
    chosen = draw(_some([each for each in pods if each[1]]))
    hinted = draw(st.sampled_from(SOMETIMES))
    endpoints = []
    for number, place in chosen:
        entry: dict[str, Any] = {
            "addresses": [f"10.244.{number}.{place + 1}"],
            "nodeName": hosts.node(number),
            "conditions": draw(st.sampled_from(CONDITIONS)),
            "targetRef": {"kind": "Pod", "name": hosts.pod(number, place)},
        }
        if hinted and (hints := draw(_hints())):
            entry["hints"] = hints
        endpoints.append(entry)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-by-hand",
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [
            {
                "name": port["name"],
                "protocol": port["protocol"],
                "port": hosts.LISTENS if port["protocol"] == "TCP" else hosts.UDP_LISTENS,
            }
            for port in ports
        ],
        "endpoints": endpoints,
    }


@st.composite
def _hints(draw: st.DrawFn) -> dict[str, Any]:
    zones = draw(st.sampled_from(((), ("zone-a",), ("zone-b",), ("zone-a", "zone-b"))))
    nodes = draw(st.sampled_from(((), (), ("node1",), ("node2",))))
    return {
        **({"forZones": [{"name": zone} for zone in zones]} if zones else {}),
        **({"forNodes": [{"name": node} for node in nodes]} if nodes else {}),
    }


def _some(values: Sequence[Any]) -> st.SearchStrategy[list[Any]]:
    """A few of the values, in their order, often none."""
    if not values:
        return st.just([])
    return st.lists(st.sampled_from(values), max_size=3, unique=True)
