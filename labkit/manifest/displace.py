"""Takes addresses that a lab cannot have out of a cluster's objects, and tells of them."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network

from msgspec.structs import replace

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4, ipv4_range, special
from labkit.manifest.dumped_values import IPV6, first_ipv4, with_value
from labkit.manifest.dumps import addresses_of
from labkit.manifest.lab_hosts import Host
from labkit.manifest.labs import cluster_ip_of
from labkit.manifest.loaded import Loaded
from labkit.manifest.pod_ranges import in_use


class Displacer:
    """Goes through hosts, then objects; owns who has which address, and what is displaced."""

    def __init__(self, network: kinds.LabNetwork, node_ranges: Mapping[str, IPv4Network]) -> None:
        self.displaced: list[kinds.Displaced] = []
        self._lan = ipv4_range(network.lan)
        self._services = ipv4_range(network.service_cidr)
        self._node_ranges = node_ranges
        self._holders: dict[IPv4Address, str] = {}

    def node(self, host: Host) -> kinds.LabNode:
        """A node of the Lab, with the addresses that it can keep."""
        spec = host.spec
        if not spec.address and host.of_cluster:
            why = self._why_not_node(host)
            spec = replace(spec, address=None if why else str(host.address))
            if why:
                self._tell("Node", ("", host.name), host.given_address, why)
        if spec.pod_cidr or (found := self._node_ranges.get(host.name)) is None:
            return spec
        if host.of_cluster and host.given_network != str(found):
            self._tell("podCIDR", ("", host.name), host.given_network, _why_not_range(host))
        return replace(spec, pod_cidr=str(found))

    def fitting(self, loaded: Loaded) -> Loaded:
        """An object of the cluster with the address that it can keep, or without."""
        value = loaded.value
        if not loaded.dumped:
            return loaded
        if isinstance(value, kinds.Pod):
            return with_value(loaded, self._pod(value, loaded.key))
        if isinstance(value, kinds.Service):
            return with_value(loaded, self._service(value, loaded.key))
        return loaded

    def _why_not_node(self, host: Host) -> str | None:
        address = host.address
        if address is None:
            return IPV6 if host.given_address else "its Node says none"
        if (what := special(address)) or self._lan is None:
            return f"it is {what}"
        if address not in self._lan or address in _edges(self._lan):
            return f"it is not in the LAN {self._lan} of the other nodes"
        return self._taken(address, f"node {host.name}")

    def _pod(self, pod: kinds.Pod, key: tuple[str, str]) -> kinds.Pod:
        given = addresses_of(pod)
        text = first_ipv4(given)
        # On the host network its address is its node's, whatever that is in the lab.
        host = pod.spec.host_network
        why = None if host else self._why_not_pod(pod, text, key)
        if why:
            self._tell("Pod", key, text or given[0], why)
        others: list[kinds.PodIP] = []
        status = replace(pod.status, pod_ip=None if why else text, pod_ips=others)
        return replace(pod, status=status)

    def _why_not_pod(self, pod: kinds.Pod, text: str | None, key: tuple[str, str]) -> str | None:
        address = ipv4(text) if text else None
        if address is None:
            return IPV6
        network = self._node_ranges.get(str(pod.spec.node_name))
        if network is None or address not in network:
            return "it is not in its node's podCIDR"
        if not in_use(network, address):
            return "it is the first or last of its node's podCIDR, which a bridge has"
        return self._taken(address, "Pod {}/{}".format(*key))

    def _service(self, service: kinds.Service, key: tuple[str, str]) -> kinds.Service:
        text, given = cluster_ip_of(service)
        if not given:
            return service
        why = self._why_not_service(text, key)
        if why:
            self._tell("Service", key, text or given, why)
        others: list[str] = []
        spec = replace(service.spec, cluster_ip=None if why else text, cluster_ips=others)
        return replace(service, spec=spec)

    def _why_not_service(self, text: str | None, key: tuple[str, str]) -> str | None:
        address = ipv4(text) if text else None
        if address is None:
            return IPV6
        network = self._services
        if network is None or address not in network or address in _edges(network):
            return f"it is not in the serviceCIDR {network}"
        return self._taken(address, "Service {}/{}".format(*key))

    def _taken(self, address: IPv4Address, who: str) -> str | None:
        holder = self._holders.setdefault(address, who)
        return None if holder == who else f"{holder} has it"

    def _tell(self, kind: kinds.DisplacedKind, key: tuple[str, str], given: str, why: str) -> None:
        namespace, name = key
        self.displaced.append(
            kinds.Displaced(kind=kind, namespace=namespace, name=name, given=given, why=why)
        )


def _edges(network: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    return network.network_address, network.broadcast_address


def _why_not_range(host: Host) -> str:
    if not host.given_network:
        return "its Node says none"
    if host.network is None:
        return IPV6
    return "its pods have addresses outside it, or other addresses are inside it"
