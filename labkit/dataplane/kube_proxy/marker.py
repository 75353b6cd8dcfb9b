"""The Service of labkit's own by which it sees that kube-proxy is in sync.

It is told last. Services and EndpointSlices come to kube-proxy by two watches, each in order, and a
Service without endpoints makes no chain of its own: once the marker's chain is in the kernel, so
is everything that was told before it. A sync does more after it has written its rules (conntrack
entries of endpoints that are gone, health check ports, in IPVS mode virtual servers that are
gone); the next one only begins when that is done. So a second marker follows the first.

Source: kubernetes v1.36 pkg/util/async/bounded_frequency_runner.go: one sync at a time;
pkg/proxy/iptables/proxier.go, pkg/proxy/ipvs/proxier.go and pkg/proxy/nftables/proxier.go,
syncProxyRules.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, Protocol, Service, ServicePort
from labkit.cluster.object_names import ObjectName, ServicePortName

KEY: Final = ObjectName("labkit.dev", "in-sync")
"""No Namespace can be called so: nobody else has this Service."""
ADDRESS: Final = IPv4Address("192.0.2.255")
ENDPOINT: Final = IPv4Address("192.0.2.254")
"""Of TEST-NET-1 (RFC 5737): addresses that nobody has."""
PORTS: Final = 65535


@dataclass(frozen=True, slots=True)
class Marker:
    """One state of the marker, which has other names than all before.

    Chains are called after the name of its port, virtual servers by the number.
    """

    number: int = 1

    @property
    def name(self) -> ServicePortName:
        """kube-proxy's key of its port."""
        return ServicePortName(KEY.namespace, KEY.name, f"n{self.number}")

    @property
    def port(self) -> int:
        """Its port's number."""
        return 1 + self.number % PORTS

    def next(self) -> Marker:
        """The state that follows."""
        return Marker(self.number + 1)

    def in_cluster(self, cluster: Cluster) -> Cluster:
        """The cluster with the marker behind all other Services."""
        port = ServicePort(
            name=self.name.port, protocol=Protocol.TCP, port=self.port, target_port=self.port
        )
        service = Service(key=KEY, cluster_ip=ADDRESS, ports=(port,))
        endpoint = Endpoint(address=ENDPOINT, port=self.port)
        return replace(
            cluster,
            services=(*cluster.services, service),
            endpoints={**cluster.endpoints, self.name: (endpoint,)},
        )
