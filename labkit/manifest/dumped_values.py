"""Objects of a cluster without what a lab does not have: IPv6, other nodes, ports twice."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace as replace_loaded

from msgspec import Struct
from msgspec.structs import replace

from labkit.manifest import kinds
from labkit.manifest.addresses import ipv4, ipv4_range
from labkit.manifest.loaded import Loaded

ANY = "0.0.0.0"  # noqa: S104 - a hostIP that is every address
IPV6 = "IPv6, which this version does not have"


def first_ipv4(texts: Iterable[str]) -> str | None:
    """The first of an object's addresses that a lab can have."""
    return next((text for text in texts if ipv4(text)), None)


def node_address(node: kinds.NodeObject) -> tuple[str | None, str]:
    """A Node's address, and what it says in its place: only the InternalIP counts."""
    given = [each.address for each in node.status.addresses if each.type == "InternalIP"]
    return first_ipv4(given), given[0] if given else ""


def node_range(node: kinds.NodeObject) -> tuple[str | None, str]:
    """A Node's pod CIDR, and what it says in its place."""
    given = [text for text in (node.spec.pod_cidr, *node.spec.pod_cidrs) if text]
    return next((text for text in given if ipv4_range(text)), None), given[0] if given else ""


class Plainer:
    """Takes out of dumped objects what a lab does not have; owns the words for it."""

    def __init__(self, nodes: Collection[str]) -> None:
        self.words: list[str] = []
        self._nodes = nodes
        self._host_ports: dict[tuple[str, str, int], str] = {}

    def plain(self, loaded: Loaded) -> Loaded:
        """The object as a lab can have it; one that is not of a cluster is as it was."""
        value = loaded.value
        if not loaded.dumped:
            return loaded
        if isinstance(value, kinds.Service):
            return with_value(loaded, self._service(value, loaded.key.shown))
        if isinstance(value, kinds.Pod):
            change = self._on_host if value.spec.host_network else self._with_host_ports
            return with_value(loaded, _with_containers(value, change(value, loaded.key.shown)))
        if isinstance(value, kinds.EndpointSlice):
            return with_value(loaded, self._slice(value))
        return loaded

    def _service(self, service: kinds.Service, shown: str) -> kinds.Service:
        """kube-proxy leaves out addresses of the other family too (MapIPsByIPFamily)."""
        spec, balancer = service.spec, service.status.load_balancer
        external = [text for text in spec.external_ips if ipv4(text)]
        ranges = [text for text in spec.load_balancer_source_ranges if ipv4_range(text)]
        ingress = [each for each in balancer.ingress if not each.ip or ipv4(each.ip)]
        before = [*spec.external_ips, *spec.load_balancer_source_ranges, *balancer.ingress]
        if len(before) > len(external) + len(ranges) + len(ingress):
            self.words.append(f"IPv6 addresses of Service {shown}")
        spec = replace(spec, external_ips=external, load_balancer_source_ranges=ranges)
        status = replace(service.status, load_balancer=replace(balancer, ingress=ingress))
        return replace(service, spec=spec, status=status)

    def _slice(self, piece: kinds.EndpointSlice) -> kinds.EndpointSlice:
        """Endpoints on nodes that are not in the files are on none."""
        entries = [
            replace(each, node_name=None) if each.node_name not in self._nodes else each
            for each in piece.endpoints
        ]
        return replace(piece, endpoints=entries)

    def _with_host_ports(
        self, pod: kinds.Pod, shown: str
    ) -> Callable[[kinds.ContainerPort], kinds.ContainerPort | None]:
        """Nodes may get other addresses, so a host port of one address could not be kept."""

        def change(port: kinds.ContainerPort) -> kinds.ContainerPort | None:
            if not port.host_port:
                return port
            claim = (str(pod.spec.node_name), port.protocol, port.host_port)
            why = f"of address {port.host_ip}" if port.host_ip not in (None, "", ANY) else ""
            if not why and (owner := self._host_ports.setdefault(claim, shown)) != shown:
                why = f"Pod {owner} has it on {claim[0]}"
            if not why:
                return replace(port, host_ip=None)
            self.words.append(f"hostPort {port.host_port} {port.protocol} of Pod {shown} ({why})")
            return replace(port, host_port=None, host_ip=None)

        return change

    def _on_host(
        self, pod: kinds.Pod, shown: str
    ) -> Callable[[kinds.ContainerPort], kinds.ContainerPort | None]:
        """Two pods share a node's port while one terminates; a lab gives it to the first."""

        def change(port: kinds.ContainerPort) -> kinds.ContainerPort | None:
            claim = (str(pod.spec.node_name), port.protocol, port.container_port)
            owner = self._host_ports.setdefault(claim, shown)
            if owner == shown:
                return port
            words = f"{port.container_port} {port.protocol} of Pod {shown}"
            self.words.append(f"port {words} (Pod {owner} has it on {claim[0]})")
            return None

        return change


def with_value(loaded: Loaded, value: Struct) -> Loaded:
    """The same object with another value."""
    return replace_loaded(loaded, value=value)


def _with_containers(
    pod: kinds.Pod, change: Callable[[kinds.ContainerPort], kinds.ContainerPort | None]
) -> kinds.Pod:
    containers: list[kinds.Container] = []
    for each in pod.spec.containers:
        ports = [new for port in each.ports if (new := change(port)) is not None]
        containers.append(replace(each, ports=ports))
    return replace(pod, spec=replace(pod.spec, containers=containers))
