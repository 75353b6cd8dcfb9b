"""A cluster as the JSON objects that kube-proxy reads, complete as the API server defaults them.

kube-proxy trusts the API server: a ClientIP affinity without its time-out makes it panic, a port
without a protocol is no port. What it does not read is left out, as a Service's selector.

Source: kubernetes v1.36 pkg/apis/core/v1/defaults.go (SetDefaults_Service),
staging/src/k8s.io/endpointslice/utils.go (setEndpointSliceLabels), and for v1beta1
v1.20 staging/src/k8s.io/api/discovery/v1beta1/types.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from labkit.cluster.model import (
    Cluster,
    Endpoint,
    Node,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.cluster.object_names import DEFAULT_NAMESPACE, ObjectName

Json = Mapping[str, Any]

HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
MANAGED_BY_LABEL: Final = "endpointslice.kubernetes.io/managed-by"
SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"

CREATED: Final = "2000-01-01T00:00:00Z"
"""Every object's creationTimestamp: the same cluster gives the same bytes."""
ENDPOINTS_A_SLICE: Final = 100
"""The EndpointSlice controller's --max-endpoints-per-slice."""


class Backends(NamedTuple):
    """Endpoints of a Service that listen on the same ports: what one slice can say."""

    ports: tuple[tuple[str, int], ...]
    """Name of the Service's port and number of the endpoints'."""
    endpoints: tuple[Endpoint, ...]


def service_object(service: Service) -> Json:
    """The core/v1 Service."""
    spec: dict[str, Any] = {"type": str(service.type), "sessionAffinity": "None"}
    if service.ports:
        spec["ports"] = [_service_port(port) for port in service.ports]
    if service.type is ServiceType.EXTERNAL_NAME:
        spec["externalName"] = service.external_name
    else:
        address = str(service.cluster_ip or "None")
        spec |= {
            "clusterIP": address,
            "clusterIPs": [address],
            "internalTrafficPolicy": str(service.internal_traffic_policy),
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        }
    if service.affinity_timeout_s is not None:
        spec["sessionAffinity"] = "ClientIP"
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": service.affinity_timeout_s}}
    spec |= _seen_from_outside(service)
    if service.traffic_distribution:
        spec["trafficDistribution"] = service.traffic_distribution
    ingress = [{"ip": str(each.ip), "ipMode": str(each.ip_mode)} for each in service.ingress]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata("Service", service.key, service.labels),
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress} if ingress else {}},
    }


def node_object(node: Node) -> Json:
    """The core/v1 Node, ready and with its topology labels."""
    labels = {
        HOSTNAME_LABEL: node.name,
        "kubernetes.io/os": "linux",
        **({ZONE_LABEL: node.zone} if node.zone else {}),
        **node.labels,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _metadata("Node", ObjectName("", node.name), labels),
        "spec": {"podCIDR": str(node.pod_cidr), "podCIDRs": [str(node.pod_cidr)]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": str(node.address)},
                {"type": "Hostname", "address": node.name},
            ],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def endpoint_slices(cluster: Cluster, service: Service) -> Iterator[Json]:
    """The discovery.k8s.io/v1 EndpointSlices of a Service, none without endpoints."""
    for name, backends in _named_slices(cluster, service):
        endpoints = [_endpoint(cluster, endpoint) for endpoint in backends.endpoints]
        yield _slice("discovery.k8s.io/v1", service, name, backends, endpoints)


def old_endpoint_slices(cluster: Cluster, service: Service) -> Iterator[Json]:
    """The same as discovery.k8s.io/v1beta1, where a node is a topology label."""
    for name, backends in _named_slices(cluster, service):
        endpoints = [_old_endpoint(cluster, endpoint) for endpoint in backends.endpoints]
        yield _slice("discovery.k8s.io/v1beta1", service, name, backends, endpoints)


def endpoints_object(cluster: Cluster, service: Service) -> Json:
    """The core/v1 Endpoints: ready addresses, and those that are neither ready nor ending."""
    subsets: list[Json] = []
    for backends in _backends(cluster, service):
        ready = [_address(each) for each in backends.endpoints if each.ready]
        waiting = [
            _address(each) for each in backends.endpoints if not (each.ready or each.terminating)
        ]
        if ready or waiting:
            subset: dict[str, Any] = {"ports": _slice_ports(service, backends)}
            if ready:
                subset["addresses"] = ready
            if waiting:
                subset["notReadyAddresses"] = waiting
            subsets.append(subset)
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": _metadata("Endpoints", service.key, _endpoint_labels(service)),
        "subsets": subsets,
    }


def service_cidr(cluster: Cluster) -> Json:
    """The networking.k8s.io/v1 ServiceCIDR (KEP-1880) that the API server makes from its flag."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": _metadata("ServiceCIDR", ObjectName("", "kubernetes"), {}),
        "spec": {"cidrs": [str(cluster.network.service_cidr)]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def _metadata(kind: str, key: ObjectName, labels: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": key.name,
        "uid": str(uuid5(NAMESPACE_URL, f"{kind}/{key}")),
        "creationTimestamp": CREATED,
    }
    if key.namespace:
        found["namespace"] = key.namespace
    if labels:
        found["labels"] = dict(labels)
    return found


def _service_port(port: ServicePort) -> Json:
    return {
        **({"name": port.name} if port.name else {}),
        "protocol": str(port.protocol),
        "port": port.port,
        "targetPort": port.target_port,
        **({"nodePort": port.node_port} if port.node_port else {}),
    }


def _seen_from_outside(service: Service) -> dict[str, Any]:
    spec: dict[str, Any] = {}
    balanced = service.type is ServiceType.LOAD_BALANCER
    if balanced or service.type is ServiceType.NODE_PORT or service.external_ips:
        spec["externalTrafficPolicy"] = str(service.external_traffic_policy)
    if service.external_ips:
        spec["externalIPs"] = [str(address) for address in service.external_ips]
    if balanced:
        spec["allocateLoadBalancerNodePorts"] = all(port.node_port for port in service.ports)
    if service.source_ranges:
        spec["loadBalancerSourceRanges"] = [str(network) for network in service.source_ranges]
    if service.health_check_node_port:
        spec["healthCheckNodePort"] = service.health_check_node_port
    return spec


def _backends(cluster: Cluster, service: Service) -> Iterator[Backends]:
    """Endpoints by the ports that they listen on, in the order that they first appear."""
    listening: dict[Endpoint, dict[str, list[int]]] = {}
    for port in service.ports:
        for endpoint in cluster.endpoints.get(service.port_name(port), ()):
            numbers = listening.setdefault(replace(endpoint, port=0), {})
            numbers.setdefault(port.name, []).append(endpoint.port)
    groups: dict[tuple[tuple[str, int], ...], list[Endpoint]] = {}
    for endpoint, named in listening.items():
        # A slice has one number for a name; slices written by hand may give an address two.
        for turn in range(max(map(len, named.values()))):
            ports = tuple(
                (name, numbers[turn]) for name, numbers in named.items() if turn < len(numbers)
            )
            groups.setdefault(ports, []).append(endpoint)
    for ports, endpoints in groups.items():
        yield Backends(ports, tuple(endpoints))


def _named_slices(cluster: Cluster, service: Service) -> Iterator[tuple[str, Backends]]:
    number = 0
    for ports, endpoints in _backends(cluster, service):
        for start in range(0, len(endpoints), ENDPOINTS_A_SLICE):
            number += 1
            some = endpoints[start : start + ENDPOINTS_A_SLICE]
            yield f"{service.key.name}-{number}", Backends(ports, some)


def _slice(
    version: str, service: Service, name: str, backends: Backends, endpoints: Sequence[Json]
) -> Json:
    key = ObjectName(service.key.namespace, name)
    labels = {
        **_endpoint_labels(service),
        SERVICE_NAME_LABEL: service.key.name,
        MANAGED_BY_LABEL: "endpointslice-controller.k8s.io",
    }
    return {
        "apiVersion": version,
        "kind": "EndpointSlice",
        "metadata": _metadata("EndpointSlice", key, labels),
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": _slice_ports(service, backends),
    }


def _slice_ports(service: Service, backends: Backends) -> list[Json]:
    protocols: dict[str, Protocol] = {port.name: port.protocol for port in service.ports}
    return [
        {"name": name, "port": number, "protocol": str(protocols[name])}
        for name, number in backends.ports
    ]


def _endpoint_labels(service: Service) -> dict[str, str]:
    headless = service.cluster_ip is None and service.type is not ServiceType.EXTERNAL_NAME
    return {**service.labels, **({HEADLESS_LABEL: ""} if headless else {})}


def _endpoint(cluster: Cluster, endpoint: Endpoint) -> Json:
    found = _any_endpoint(endpoint)
    if endpoint.node:
        found["nodeName"] = endpoint.node
    if zone := _zone(cluster, endpoint):
        found["zone"] = zone
    if hints := _hints(endpoint):
        found["hints"] = hints
    return found


def _old_endpoint(cluster: Cluster, endpoint: Endpoint) -> Json:
    found = _any_endpoint(endpoint)
    topology = {HOSTNAME_LABEL: endpoint.node, ZONE_LABEL: _zone(cluster, endpoint)}
    found["topology"] = {label: value for label, value in topology.items() if value}
    if endpoint.zone_hints:
        found["hints"] = {"forZones": _names(endpoint.zone_hints)}
    return found


def _any_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    found: dict[str, Any] = {
        "addresses": [str(endpoint.address)],
        "conditions": {
            "ready": endpoint.ready,
            "serving": endpoint.serving,
            "terminating": endpoint.terminating,
        },
    }
    if endpoint.pod:
        found["targetRef"] = _pod_reference(endpoint.pod)
    return found


def _zone(cluster: Cluster, endpoint: Endpoint) -> str | None:
    node = cluster.node_by_name.get(endpoint.node or "")
    return node.zone if node else None


def _hints(endpoint: Endpoint) -> Json:
    return {
        **({"forZones": _names(endpoint.zone_hints)} if endpoint.zone_hints else {}),
        **({"forNodes": _names(endpoint.node_hints)} if endpoint.node_hints else {}),
    }


def _names(hints: frozenset[str]) -> list[Json]:
    return [{"name": name} for name in sorted(hints)]


def _address(endpoint: Endpoint) -> Json:
    return {
        "ip": str(endpoint.address),
        **({"nodeName": endpoint.node} if endpoint.node else {}),
        **({"targetRef": _pod_reference(endpoint.pod)} if endpoint.pod else {}),
    }


def _pod_reference(shown: str) -> Json:
    namespace, slash, name = shown.rpartition("/")
    return {"kind": "Pod", "namespace": namespace if slash else DEFAULT_NAMESPACE, "name": name}
