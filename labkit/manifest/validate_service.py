"""Services, as the API server validates them.

Source: kubernetes v1.36 pkg/apis/core/validation/validation.go, ValidateService, and
pkg/registry/core/service/storage/alloc.go for ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from labkit.manifest import kinds, names
from labkit.manifest.addresses import address_findings, ipv4, ipv4_range, range_findings, special
from labkit.manifest.loaded import Loaded
from labkit.manifest.problems import Finding, Path, nearest, quote
from labkit.manifest.scope import Scope
from labkit.manifest.validate_lab import port_range

HEADLESS: Final = "None"
MOST_AFFINITY_S: Final = 86400
PORTS: Final = range(1, 65536)
_GIVE_PORT: Final = "give a port between 1 and 65535"
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_EXTERNAL: Final = ("NodePort", "LoadBalancer")


def service_findings(loaded: Loaded, service: kinds.Service, scope: Scope) -> Iterator[Finding]:
    """What is wrong with one Service."""
    spec = service.spec
    yield from names.label_findings(spec.selector or {}, ("spec", "selector"))
    yield from _ports(spec)
    yield from _node_ports(spec, scope)
    yield from _target_names(loaded, spec, scope)
    yield from _cluster_ip(spec, scope)
    yield from _external_name(spec)
    yield from _external_ips(spec)
    yield from _policies(loaded, spec, scope)
    yield from _affinity(loaded, spec)
    yield from _load_balancer(loaded, service)


def is_headless(spec: kinds.ServiceSpec) -> bool:
    """Whether a Service has no cluster IP on purpose."""
    return spec.cluster_ip == HEADLESS


def _ports(spec: kinds.ServiceSpec) -> Iterator[Finding]:
    if not spec.ports and not is_headless(spec) and spec.type != "ExternalName":
        yield Finding(("spec", "ports"), "required", "list at least one port")
    seen_names: set[str] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path: Path = ("spec", "ports", index)
        yield from _port_name(port, path, seen_names, several=len(spec.ports) > 1)
        seen_names.add(port.name)
        if port.port not in PORTS:
            yield Finding((*path, "port"), f"{port.port} is no port", _GIVE_PORT)
        elif (port.protocol, port.port) in seen:
            message = f"port {port.port} {port.protocol} is there twice"
            yield Finding((*path, "port"), message, "give each port and protocol once")
        seen.add((port.protocol, port.port))
        yield from _target_port(port, path)


def _port_name(
    port: kinds.ServicePort, path: Path, seen: set[str], *, several: bool
) -> Iterator[Finding]:
    where = (*path, "name")
    if not port.name:
        if several:
            yield Finding(where, "required", "name every port where there are several")
    elif remedy := names.label(port.name):
        yield Finding(where, f"'{quote(port.name)}' is no port name", remedy)
    elif port.name in seen:
        yield Finding(where, f"the name {port.name} is there twice", "name each port differently")


def _target_port(port: kinds.ServicePort, path: Path) -> Iterator[Finding]:
    where, target = (*path, "targetPort"), port.target_port
    if isinstance(target, int) and target not in PORTS:
        yield Finding(where, f"{target} is no port", _GIVE_PORT)
    elif isinstance(target, str) and (remedy := names.port_name(target)):
        if target.isdecimal():
            remedy = f"write the number without quotes: {quote(target)}"
        yield Finding(where, f"'{quote(target)}' is no port name", remedy)


def _target_names(loaded: Loaded, spec: kinds.ServiceSpec, scope: Scope) -> Iterator[Finding]:
    """A targetPort name that no container of any selected pod declares reaches nobody.

    Differs from kube-apiserver: it cannot know the pods, so it takes any name. So does a cluster's
    own Service here.
    """
    if loaded.dumped:
        return
    for index, port in enumerate(spec.ports):
        target = port.target_port
        if not isinstance(target, str) or names.port_name(target):
            continue
        pods = scope.selected(loaded.key.namespace, spec.selector)
        if not pods:
            return
        declared = {
            each.name
            for pod in pods
            for container in pod.spec.containers
            for each in container.ports
            if each.protocol == port.protocol and each.name
        }
        if target not in declared:
            yield Finding(
                ("spec", "ports", index, "targetPort"),
                f"no container of the selected pods declares a {port.protocol} port {target}",
                nearest(target, sorted(declared), none="name the containers' ports, or a number"),
            )


def _node_ports(spec: kinds.ServiceSpec, scope: Scope) -> Iterator[Finding]:
    allowed = port_range(scope.lab)
    for index, port in enumerate(spec.ports):
        where = ("spec", "ports", index, "nodePort")
        if not port.node_port:
            continue
        if spec.type not in _EXTERNAL:
            message = f"a {spec.type} Service has no nodePort"
            yield Finding(where, message, "leave it out, or give type NodePort")
        elif allowed and port.node_port not in allowed:
            yield _outside(where, port.node_port, allowed)


def _outside(where: Path, port: int, allowed: range) -> Finding:
    shown = f"{allowed.start}-{allowed.stop - 1}"
    remedy = "give one in it, or widen the Lab's nodePortRange"
    return Finding(where, f"{port} is outside {shown}", remedy)


def _cluster_ip(spec: kinds.ServiceSpec, scope: Scope) -> Iterator[Finding]:
    where, text = ("spec", "clusterIP"), spec.cluster_ip
    if not text:
        return
    if spec.type == "ExternalName":
        yield Finding(where, "an ExternalName Service has no clusterIP", "leave it out")
        return
    if text == HEADLESS:
        if spec.type != "ClusterIP":
            message = f"None is not for a {spec.type} Service"
            yield Finding(where, message, "leave it out, or give type ClusterIP")
        return
    yield from address_findings(text, where)
    address = ipv4(text)
    network = ipv4_range(scope.lab.spec.network.service_cidr) if scope.lab else None
    if address is None or network is None:
        return
    if address not in network:
        remedy = "give an address in it, or leave it out"
        yield Finding(where, f"{address} is outside the serviceCIDR {network}", remedy)
    elif address in (network.network_address, network.broadcast_address):
        message = f"{address} is the first or last address of the serviceCIDR"
        yield Finding(where, message, "give one between them, or leave it out")


def _external_name(spec: kinds.ServiceSpec) -> Iterator[Finding]:
    if spec.type != "ExternalName":
        return
    where, name = ("spec", "externalName"), (spec.external_name or "").removesuffix(".")
    if not name:
        yield Finding(where, "required", "give the name that this Service stands for")
    elif remedy := names.subdomain(name):
        yield Finding(where, f"'{quote(name)}' is no DNS name", remedy)


def _external_ips(spec: kinds.ServiceSpec) -> Iterator[Finding]:
    for index, text in enumerate(spec.external_ips):
        where = ("spec", "externalIPs", index)
        yield from address_findings(text, where)
        address = ipv4(text)
        if address and (what := special(address)):
            yield Finding(where, f"{address} is {what}", "give an address that can be routed")


def _policies(loaded: Loaded, spec: kinds.ServiceSpec, scope: Scope) -> Iterator[Finding]:
    accessible = spec.type in _EXTERNAL or (spec.type == "ClusterIP" and bool(spec.external_ips))
    if loaded.has("spec", "externalTrafficPolicy") and not accessible:
        yield Finding(
            ("spec", "externalTrafficPolicy"),
            f"a {spec.type} Service without externalIPs cannot be reached from outside",
            "leave it out, or give type NodePort or LoadBalancer",
        )
    distribution = spec.traffic_distribution
    if distribution and distribution not in _DISTRIBUTIONS:
        where = ("spec", "trafficDistribution")
        yield Finding(
            where, f"'{quote(distribution)}' is unknown", nearest(distribution, _DISTRIBUTIONS)
        )
    yield from _health_check(spec, scope)


def _health_check(spec: kinds.ServiceSpec, scope: Scope) -> Iterator[Finding]:
    where, port = ("spec", "healthCheckNodePort"), spec.health_check_node_port
    if not port:
        return
    if spec.type != "LoadBalancer" or spec.external_traffic_policy != "Local":
        message = "only for type LoadBalancer with externalTrafficPolicy Local"
        yield Finding(where, message, "leave it out")
        return
    allowed = port_range(scope.lab)
    if allowed and port not in allowed:
        yield _outside(where, port, allowed)


def _affinity(loaded: Loaded, spec: kinds.ServiceSpec) -> Iterator[Finding]:
    where: Path = ("spec", "sessionAffinityConfig")
    if spec.session_affinity == "None":
        if loaded.has(*where):
            remedy = "leave it out, or give sessionAffinity ClientIP"
            yield Finding(where, "sessionAffinity is None", remedy)
        return
    timeout = spec.session_affinity_config.client_ip.timeout_seconds
    if not 0 < timeout <= MOST_AFFINITY_S:
        path = (*where, "clientIP", "timeoutSeconds")
        remedy = f"give 1 to {MOST_AFFINITY_S} seconds"
        yield Finding(path, f"{timeout} is out of range", remedy)


def _load_balancer(loaded: Loaded, service: kinds.Service) -> Iterator[Finding]:
    spec, balanced = service.spec, service.spec.type == "LoadBalancer"
    for field in ("loadBalancerSourceRanges", "allocateLoadBalancerNodePorts"):
        given = loaded.has("spec", field)
        if given and not balanced and (spec.load_balancer_source_ranges or "allocate" in field):
            yield Finding(("spec", field), "only for type LoadBalancer", "leave it out")
    for index, text in enumerate(spec.load_balancer_source_ranges):
        yield from range_findings(text, ("spec", "loadBalancerSourceRanges", index))
    ingress = service.status.load_balancer.ingress
    where: Path = ("status", "loadBalancer", "ingress")
    if ingress and not balanced:
        yield Finding(where, "only for type LoadBalancer", "leave it out")
    for index, entry in enumerate(ingress):
        if entry.ip:
            yield from address_findings(entry.ip, (*where, index, "ip"))
        elif not entry.hostname:
            yield Finding((*where, index), "an ingress without an address", "give ip")
