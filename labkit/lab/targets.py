"""From the words of a Check or a caller to the flow that they mean: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv4Address
from typing import Final, NamedTuple

import msgspec

from labkit.cluster.host_names import known_by
from labkit.cluster.lookup import host_named, own_node, unknown
from labkit.cluster.model import Cluster, Pod, PodNetwork, Protocol, Service, ServicePort
from labkit.cluster.object_names import DEFAULT_NAMESPACE, ObjectName
from labkit.errors import UsageError
from labkit.lab import arguments
from labkit.manifest import kinds
from labkit.manifest.problems import nearest, quote
from labkit.probe.flow import Flow, Via

PORTS: Final = range(1, 65536)
MOST_DIGITS: Final = 5
EXAMPLE: Final = '{"service": "web", "port": 80}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address and a port to send to."""

    address: IPv4Address
    port: int
    protocol: Protocol = Protocol.TCP

    def __post_init__(self) -> None:
        """Refuse what is no address, port or protocol.

        Raises:
            UsageError: it is none.
        """
        arguments.address(self.address)
        arguments.port(self.port)
        arguments.of_kind("protocol", self.protocol, Protocol, 'as Host.port(53, "UDP") gives it')

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Served(NamedTuple):
    """Which Service port serves an address and port, and in which way."""

    service: Service
    port: ServicePort
    via: Via


def flow(
    cluster: Cluster, source: str, to: Target | str | Mapping[str, object], protocol: Protocol
) -> Flow:
    """Return the flow that a caller means; ``to`` as `labkit.lab.lab.Lab.probe` takes it.

    Raises:
        UsageError: a name does not exist, or the port is not clear.
    """
    source = host_named(cluster, source)
    if isinstance(to, Target):
        return flow_to(cluster, source, to.address, to.port, to.protocol)
    if isinstance(to, str):
        return parse(cluster, source, to, protocol)
    if not isinstance(to, Mapping):
        raise arguments.wrong("to", to, f"give NAME:PORT, a Target, or {EXAMPLE}")
    return resolve(cluster, source, target_from(to), protocol)


def resolve(cluster: Cluster, source: str, to: kinds.Target, protocol: Protocol) -> Flow:
    """Return the flow that a Check's ``to`` means.

    Raises:
        UsageError: a name in it does not exist, or the port is not clear.
    """
    source = host_named(cluster, source)
    if to.node is not None:
        node = cluster.node_by_name.get(to.node)
        if node is None:
            raise unknown("node", to.node, cluster.node_by_name)
        return flow_to(cluster, source, node.address, _number(to), protocol)
    if to.service is not None:
        return _service_flow(cluster, source, to, protocol)
    if to.pod is not None:
        pod = cluster.pod_by_name.get(to.pod.removeprefix(f"{DEFAULT_NAMESPACE}/"))
        if pod is None:
            raise unknown("pod", to.pod, cluster.pod_by_name)
        return flow_to(cluster, source, pod.address, _pod_port(pod, to.port), protocol)
    if to.address is None or not _is_address(to.address):
        raise UsageError(
            f"to {to.address or 'nothing'}: give a node, a service, a pod or an IPv4 address"
        )
    return flow_to(cluster, source, IPv4Address(to.address), _number(to), protocol)


def target_from(words: Mapping[str, object]) -> kinds.Target:
    """Return the target that a Check's ``to`` means, given as a mapping.

    Raises:
        UsageError: a word in it is none of a Check's.
    """
    known = [field.encode_name for field in msgspec.structs.fields(kinds.Target)]
    for word in words:
        if word not in known:
            raise UsageError(f"to {dict(words)}: there is no {word}; {nearest(str(word), known)}")
    try:
        return msgspec.convert(words, kinds.Target)
    except msgspec.ValidationError as error:
        raise UsageError(f"to {dict(words)}: {error}; give {EXAMPLE}") from error


def parse(cluster: Cluster, source: str, text: str, protocol: Protocol) -> Flow:
    """Return the flow that ``NAME:PORT`` or ``ADDRESS:PORT`` means.

    NAME is a node, a Service or a pod, looked for in that order; ``:PORT`` may be left out where
    there is only one. Names of a cluster's DNS, as ``web.default.svc``, are names, too.
    """
    return resolve(cluster, source, target_in(cluster, text), protocol)


def target_in(cluster: Cluster, text: str) -> kinds.Target:
    """Return the Check's ``to`` that ``NAME:PORT`` or ``ADDRESS:PORT`` means, see `parse`.

    Raises:
        UsageError: nothing has the name.
    """
    name, colon, port_text = text.rpartition(":")
    if not colon:
        name, port_text = text, ""
    if ":" in name:
        raise UsageError(
            f"target {quote(text)} has several colons; "
            "give NAME:PORT, or ADDRESS:PORT with an IPv4 address"
        )
    port: int | str | None = _port(port_text) if port_text.isdecimal() else port_text or None
    if _is_address(name):
        return kinds.Target(address=name, port=port)
    if name in cluster.node_by_name:
        return kinds.Target(node=name, port=port)
    if _service_key(name) in cluster.service_by_key:
        return kinds.Target(service=name, port=port)
    pod = name.removeprefix(f"{DEFAULT_NAMESPACE}/")
    if pod in cluster.pod_by_name:
        return kinds.Target(pod=pod, port=port)
    return _target_known_by(cluster, name, port)


def _target_known_by(cluster: Cluster, name: str, port: int | str | None) -> kinds.Target:
    match known_by(cluster, name):
        case Service(key=key):
            return kinds.Target(service=key.shown, port=port)
        case Pod(name=pod):
            return kinds.Target(pod=pod, port=port)
        case IPv4Address() as address:
            return kinds.Target(address=str(address), port=port)
    services = [service.key.shown for service in cluster.services]
    raise unknown("target", name, [*cluster.node_by_name, *services, *cluster.pod_by_name])


def worth_probing(cluster: Cluster) -> Iterator[str]:
    """Every target that has a name of its own, as `parse` takes it: Services, NodePorts, pods."""
    for service in cluster.services:
        for port in service.ports if service.cluster_ip else ():
            yield f"{service.key.shown}:{port.name or port.port}"
    for node in cluster.nodes:
        for _service, port in cluster.service_ports():
            if port.node_port:
                yield f"{node.name}:{port.node_port}"
    for pod in cluster.pods:
        for container in pod.containers:
            yield from (f"{pod.name}:{port.port}" for port in container.ports)


def by_name(cluster: Cluster, to: kinds.Target) -> kinds.Target:
    """Return ``to`` with the name of what has its address, where that is allocated.

    A lab that is built again can give a pod or Service another address, and never another name.
    """
    if to.address is None or not _is_address(to.address):
        return to
    address = IPv4Address(to.address)
    for pod in cluster.pods:
        if pod.address == address and not pod.host_network:
            return kinds.Target(pod=pod.name, port=to.port)
    for node in cluster.nodes:
        if node.address == address:
            return kinds.Target(node=node.name, port=to.port)
    for service, port in cluster.service_ports():
        if (service.cluster_ip, port.port) == (address, to.port):
            return kinds.Target(service=service.key.shown, port=port.name or port.port)
    return to


def flow_to(
    cluster: Cluster, source: str, address: IPv4Address, dport: int, protocol: Protocol
) -> Flow:
    """Return the flow to an address, with the Service that serves it or has the address."""
    asked = Flow(
        source=source,
        address=address,
        dport=dport,
        protocol=protocol,
        node=own_node(cluster, source) if address.is_loopback else node_at(cluster, address),
    )
    if served := serving(cluster, address, dport, protocol):
        key, port = str(served.service.key), served.port.name
        return replace(asked, service=key, port=port, via=served.via)
    for service in cluster.services:
        for own, via in addresses(service):
            if own == address:
                return replace(asked, service=str(service.key), via=via)
    is_pod = any(pod.address == address for pod in cluster.pods if not pod.host_network)
    return replace(asked, via=Via.POD_IP) if is_pod else asked


def node_at(cluster: Cluster, address: IPv4Address) -> str | None:
    """The node that has an address, on the LAN or in the pod network; None if none has."""
    overlay = cluster.network.pod_network is PodNetwork.VXLAN
    for node in cluster.nodes:
        if address in {node.address, node.bridge_ip, *([node.vxlan_ip] if overlay else [])}:
            return node.name
    return None


def serving(
    cluster: Cluster, address: IPv4Address, dport: int, protocol: Protocol
) -> Served | None:
    """The Service port behind an address and port, or None."""
    on_node = address.is_loopback or node_at(cluster, address) is not None
    for service, port in cluster.service_ports():
        if port.protocol is not protocol:
            continue
        if on_node and port.node_port == dport:
            return Served(service, port, Via.NODE_PORT)
        for own, via in addresses(service):
            if (own, port.port) == (address, dport):
                return Served(service, port, via)
    return None


def addresses(service: Service) -> Iterator[tuple[IPv4Address, Via]]:
    """A Service's own addresses: not its NodePorts."""
    if service.cluster_ip:
        yield service.cluster_ip, Via.CLUSTER_IP
    for address in service.external_ips:
        yield address, Via.EXTERNAL_IP
    for ingress in service.ingress:
        yield ingress.ip, Via.LOAD_BALANCER


def _service_flow(cluster: Cluster, source: str, to: kinds.Target, protocol: Protocol) -> Flow:
    key = _service_key(to.service or "")
    service = cluster.service_by_key.get(key)
    if service is None:
        raise unknown("Service", key.shown, [each.key.shown for each in cluster.services])
    port = _service_port(service, to.port, protocol)
    via = Via(to.via)
    address = next((own for own, how in addresses(service) if how is via), None)
    if address is None:
        raise UsageError(f"Service {key.shown} has no {via} address")
    return Flow(
        source=source,
        address=address,
        dport=port.port,
        protocol=port.protocol,
        service=str(key),
        port=port.name,
        via=via,
    )


def _service_port(service: Service, port: int | str | None, protocol: Protocol) -> ServicePort:
    matching: Sequence[ServicePort] = [
        each
        for each in service.ports
        if port is None
        or port == each.name
        or (port == each.port and (each.protocol is protocol or _only(service, each)))
    ]
    if len(matching) == 1:
        return matching[0]
    ports = ", ".join(f"{each.name or each.port}" for each in service.ports)
    wanted = "more than one port" if port is None else f"no port {port} for {protocol}"
    raise UsageError(f"Service {service.key.shown} has {wanted}; name one of: {ports}")


def _only(service: Service, port: ServicePort) -> bool:
    """Whether a port number has one protocol only, so that it need not be said."""
    return sum(each.port == port.port for each in service.ports) == 1


def _service_key(name: str) -> ObjectName:
    namespace, slash, short = name.partition("/")
    return ObjectName(namespace, short) if slash else ObjectName("default", name)


def _pod_port(pod: Pod, port: int | str | None) -> int:
    declared = [each for container in pod.containers for each in container.ports]
    if isinstance(port, int):
        return port
    numbers = {each.port for each in declared if port is None or each.name == port}
    if len(numbers) == 1:
        return numbers.pop()
    names = ", ".join(each.name or str(each.port) for each in declared)
    raise UsageError(f"pod {pod.name}: say which port; it declares: {names or 'none'}")


def _number(to: kinds.Target) -> int:
    if isinstance(to.port, int):
        return _port(str(to.port))
    host = to.node or to.address
    found = "no port" if to.port is None else f"port '{quote(to.port)}' is no number"
    raise UsageError(f"to {host}: {found}; give {host}:PORT, a port from 1 to 65535")


def _port(digits: str) -> int:
    if len(digits) > MOST_DIGITS or int(digits) not in PORTS:
        raise UsageError(f"port {digits[:MOST_DIGITS]} is out of range: give one from 1 to 65535")
    return int(digits)


def _is_address(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True
