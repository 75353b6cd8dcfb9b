"""Any valid Services, endpoints and configuration, for tests of what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from hypothesis import strategies as st

from labkit.cluster.model import (
    Cluster,
    DetectLocalMode,
    Endpoint,
    Ingress,
    IPMode,
    KubeProxy,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)
from labkit.cluster.object_names import ObjectName
from tests.unit.dataplane.clusters import CONFIG, cluster

NODE_NAMES = ("node1", "node2")
RANGES = tuple(map(IPv4Network, ("0.0.0.0/0", "192.168.0.0/24", "203.0.113.0/25", "192.0.2.1/32")))
policies = st.sampled_from(TrafficPolicy)


def addresses(network: str) -> st.SearchStrategy[IPv4Address]:
    """Host addresses of a network."""
    hosts = IPv4Network(network)
    return st.integers(1, hosts.num_addresses - 2).map(lambda number: hosts[number])


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    """An endpoint in any condition, with any hints."""
    return Endpoint(
        address=draw(addresses("10.180.0.0/28")),
        port=draw(st.sampled_from((80, 8080))),
        node=draw(st.sampled_from((*NODE_NAMES, None))),
        ready=draw(st.booleans()),
        serving=draw(st.booleans()),
        terminating=draw(st.booleans()),
        zone_hints=draw(st.frozensets(st.sampled_from(("zone1", "zone2")))),
        node_hints=draw(st.frozensets(st.sampled_from(NODE_NAMES))),
    )


endpoint_lists = st.lists(endpoints(), max_size=4, unique_by=str).map(tuple)


@st.composite
def ports(draw: st.DrawFn) -> tuple[ServicePort, ...]:
    """The ports of one Service: names differ, and so do pairs of protocol and number."""
    numbers = st.tuples(st.sampled_from(Protocol), st.integers(1, 65535))
    wanted = draw(st.lists(numbers, min_size=1, max_size=3, unique=True))
    return tuple(
        ServicePort(
            name=f"p{index}" if len(wanted) > 1 else draw(st.sampled_from(("", "http"))),
            protocol=protocol,
            port=number,
            target_port=80,
        )
        for index, (protocol, number) in enumerate(wanted)
    )


@st.composite
def services(draw: st.DrawFn, number: int) -> Service:
    """One Service; its name, cluster IP and node ports follow from ``number``."""
    kind = draw(st.sampled_from(ServiceType))
    balanced = kind is ServiceType.LOAD_BALANCER
    exposed = balanced or kind is ServiceType.NODE_PORT
    external = draw(policies)
    ingress = st.builds(Ingress, ip=addresses("192.0.2.0/28"), ip_mode=st.sampled_from(IPMode))
    headless = kind is ServiceType.EXTERNAL_NAME or draw(st.integers(0, 9)) == 0
    return Service(
        key=ObjectName(draw(st.sampled_from(("default", "shop"))), f"svc-{number}"),
        type=kind,
        cluster_ip=None if headless else IPv4Address("172.30.0.10") + number,
        ports=tuple(
            replace(port, node_port=30000 + 10 * number + index if exposed else None)
            for index, port in enumerate(draw(ports()))
        ),
        external_ips=tuple(draw(st.lists(addresses("198.51.100.0/28"), max_size=2, unique=True))),
        ingress=tuple(draw(st.lists(ingress, max_size=2, unique=True))) if balanced else (),
        source_ranges=tuple(draw(st.lists(st.sampled_from(RANGES), max_size=2, unique=True))),
        external_traffic_policy=external,
        internal_traffic_policy=draw(policies),
        affinity_timeout_s=draw(st.sampled_from((None, 1, 10800, 86400))),
        health_check_node_port=31000 + number
        if balanced and external is TrafficPolicy.LOCAL
        else None,
    )


configs: st.SearchStrategy[KubeProxy] = st.builds(
    replace,
    st.just(CONFIG),
    cluster_cidr=st.sampled_from((None, IPv4Network("10.0.0.0/8"))),
    detect_local_mode=st.sampled_from(DetectLocalMode),
    bridge_interface=st.just("cni0"),
    interface_name_prefix=st.just("veth"),
    node_port_addresses=st.lists(st.sampled_from(RANGES), max_size=2).map(tuple),
    masquerade_all=st.booleans(),
    masquerade_bit=st.integers(0, 31),
    localhost_node_ports=st.booleans(),
)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Up to five Services, each with endpoints of its own, under any configuration."""
    numbers = draw(st.lists(st.integers(0, 9), max_size=5, unique=True))
    found = sorted((draw(services(number)) for number in numbers), key=lambda each: each.key)
    lab = cluster(*found, config=draw(configs))
    known = {
        service.port_name(port): draw(endpoint_lists) for service in found for port in service.ports
    }
    return replace(lab, endpoints=known)


@st.composite
def changed(draw: st.DrawFn, before: Cluster) -> Cluster:
    """A cluster that shares with ``before`` what did not change, as a lab's next one does.

    Services come, go and become others; endpoints change; seldom the configuration does.
    """
    other = draw(clusters())
    wanted = {service.key: service for service in before.services if draw(st.integers(0, 3))}
    wanted |= {service.key: service for service in other.services if draw(st.booleans())}
    config = before.kube_proxy if draw(st.integers(0, 5)) else other.kube_proxy
    known = {
        name: before.endpoints[name]
        if name in before.endpoints and draw(st.integers(0, 2))
        else other.endpoints.get(name) or draw(endpoint_lists)
        for service in wanted.values()
        for name in map(service.port_name, service.ports)
    }
    services = tuple(wanted[key] for key in sorted(wanted))
    return replace(before, services=services, endpoints=known, kube_proxy=config)
