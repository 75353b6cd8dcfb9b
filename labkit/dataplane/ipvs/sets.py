"""kube-proxy's ipsets, and the iptables rules that ask them.

The chains are fixed; a rule over a set is there if the set holds something.

Source: kubernetes v1.36 pkg/proxy/ipvs/proxier.go, ipsetInfo, ipsetWithIptablesChain and
writeIptablesRules; pkg/proxy/ipvs/ipset.go for the comments.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from labkit.cluster.model import Protocol
from labkit.dataplane.ipvs.tables import Entry

CLUSTER_IP: Final = "KUBE-CLUSTER-IP"
LOOP_BACK: Final = "KUBE-LOOP-BACK"
EXTERNAL_IP: Final = "KUBE-EXTERNAL-IP"
EXTERNAL_IP_LOCAL: Final = "KUBE-EXTERNAL-IP-LOCAL"
LOAD_BALANCER: Final = "KUBE-LOAD-BALANCER"
LOAD_BALANCER_FW: Final = "KUBE-LOAD-BALANCER-FW"
LOAD_BALANCER_LOCAL: Final = "KUBE-LOAD-BALANCER-LOCAL"
LOAD_BALANCER_SOURCE_IP: Final = "KUBE-LOAD-BALANCER-SOURCE-IP"
LOAD_BALANCER_SOURCE_CIDR: Final = "KUBE-LOAD-BALANCER-SOURCE-CIDR"
HEALTH_CHECK: Final = "KUBE-HEALTH-CHECK-NODE-PORT"
IPVS_IPS: Final = "KUBE-IPVS-IPS"
NODE_PORT: Final[Mapping[Protocol, str]] = {
    Protocol.TCP: "KUBE-NODE-PORT-TCP",
    Protocol.UDP: "KUBE-NODE-PORT-UDP",
    Protocol.SCTP: "KUBE-NODE-PORT-SCTP-HASH",
}
NODE_PORT_LOCAL: Final[Mapping[Protocol, str]] = {
    Protocol.TCP: "KUBE-NODE-PORT-LOCAL-TCP",
    Protocol.UDP: "KUBE-NODE-PORT-LOCAL-UDP",
    Protocol.SCTP: "KUBE-NODE-PORT-LOCAL-SCTP-HASH",
}


class Kind(NamedTuple):
    """ipset's type of a set, and what rules over it say in their comment."""

    type: str
    said: str


_LOCAL: Final = "with externalTrafficPolicy=local"
_HASH: Final = "with type 'hash ip:port'"
SETS: Final[Mapping[str, Kind]] = {
    LOOP_BACK: Kind(
        "hash:ip,port,ip",
        "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose",
    ),
    CLUSTER_IP: Kind("hash:ip,port", "Kubernetes service cluster ip + port for masquerade purpose"),
    EXTERNAL_IP: Kind(
        "hash:ip,port",
        "Kubernetes service external ip + port for masquerade and filter purpose",
    ),
    EXTERNAL_IP_LOCAL: Kind("hash:ip,port", f"Kubernetes service external ip + port {_LOCAL}"),
    LOAD_BALANCER: Kind("hash:ip,port", "Kubernetes service lb portal"),
    LOAD_BALANCER_FW: Kind(
        "hash:ip,port",
        "Kubernetes service load balancer ip + port for load balancer with sourceRange",
    ),
    LOAD_BALANCER_LOCAL: Kind(
        "hash:ip,port", f"Kubernetes service load balancer ip + port {_LOCAL}"
    ),
    LOAD_BALANCER_SOURCE_IP: Kind(
        "hash:ip,port,ip",
        "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
    ),
    LOAD_BALANCER_SOURCE_CIDR: Kind(
        "hash:ip,port,net",
        "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
    ),
    NODE_PORT[Protocol.TCP]: Kind(
        "bitmap:port", "Kubernetes nodeport TCP port for masquerade purpose"
    ),
    NODE_PORT_LOCAL[Protocol.TCP]: Kind("bitmap:port", f"Kubernetes nodeport TCP port {_LOCAL}"),
    NODE_PORT[Protocol.UDP]: Kind(
        "bitmap:port", "Kubernetes nodeport UDP port for masquerade purpose"
    ),
    NODE_PORT_LOCAL[Protocol.UDP]: Kind("bitmap:port", f"Kubernetes nodeport UDP port {_LOCAL}"),
    NODE_PORT[Protocol.SCTP]: Kind(
        "hash:ip,port", f"Kubernetes nodeport SCTP port for masquerade purpose {_HASH}"
    ),
    NODE_PORT_LOCAL[Protocol.SCTP]: Kind(
        "hash:ip,port", f"Kubernetes nodeport SCTP port {_LOCAL} {_HASH}"
    ),
    HEALTH_CHECK: Kind("bitmap:port", "Kubernetes health check node port"),
    IPVS_IPS: Kind("hash:ip", "Kubernetes service addresses on kube-ipvs0"),
}


@dataclass(frozen=True, slots=True)
class Filled:
    """The names of the sets that hold something."""

    names: frozenset[str]

    def holds(self, name: str) -> bool:
        """Whether a set has any element."""
        return name in self.names

    def rules(self, jumps: Iterable[Jump]) -> Iterator[str]:
        """A rule for each jump whose set holds something."""
        for jump in jumps:
            if self.holds(jump.name):
                yield jump.rule()


class Jump(NamedTuple):
    """A rule that sends what is in a set to a target."""

    name: str
    directions: str
    target: str
    protocol: str = ""

    def rule(self) -> str:
        """The rule as iptables-save prints it."""
        protocol = f"-p {self.protocol} " if self.protocol else ""
        return f"{protocol}{said(self.name)} {match(self.name, self.directions)} -j {self.target}"


def said(name: str) -> str:
    """The comment of rules over a set."""
    return f'-m comment --comment "{SETS[name].said}"'


def match(name: str, directions: str) -> str:
    """Match what is in a set: ``dst,dst`` looks at the destination's address and port."""
    return f"-m set --match-set {name} {directions}"


def order(entry: Entry) -> tuple[int, str, int, str]:
    """What elements of a set are sorted by."""
    second = "" if entry.second is None else str(entry.second)
    return (int(entry.ip or 0), entry.protocol or "", entry.port or 0, second)
