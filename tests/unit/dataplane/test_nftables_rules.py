"""What Services and settings that no recording has make of the nftables rules.

Expectations: kubernetes v1.36 pkg/proxy/nftables/proxier.go and proxier_test.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from labkit.cluster.model import (
    Cluster,
    DetectLocalMode,
    Endpoint,
    Ingress,
    IPMode,
    KubeProxy,
    PodNetwork,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
)
from labkit.cluster.object_names import ServicePortName
from labkit.dataplane.nftables import names
from labkit.dataplane.nftables.matches import duration, one_or_more
from labkit.dataplane.nftables.render import render
from tests.unit.dataplane.clusters import (
    CONFIG,
    HERE,
    LB_IP,
    LOCAL,
    NODE1,
    NODE2,
    THERE,
    WEB,
    cluster,
)
from tests.unit.dataplane.nft_text import Listed, Table, read_tables

NAME = ServicePortName("ns1", "svc1", "p80")
BASE = "ULMVA6XW-ns1/svc1/tcp/p80"
SERVICE, LOCAL_CHAIN, EXTERNAL, FIREWALL = (
    f"{kind}-{BASE}" for kind in ("service", "local", "external", "firewall")
)
CLUSTER_KEY = "172.30.0.41 . tcp . 80"
LB_KEY, EXTERNAL_KEY = "192.0.2.9 . tcp . 80", "192.0.2.7 . tcp . 80"
NODE_PORT_KEY = "tcp . 30080"
SAID = ' comment "ns1/svc1:p80"'
MARK = "meta mark set meta mark | 0x00004000"
STICKY = replace(WEB, affinity_timeout_s=10800)
LOCAL_OUTSIDE = replace(WEB, external_traffic_policy=LOCAL)
LOCAL_INSIDE = replace(WEB, internal_traffic_policy=LOCAL)


def table_of(lab: Cluster, node: int = 0) -> Table:
    return read_tables(render(lab, lab.nodes[node]).text())["kube-proxy"]


def rules(lab: Cluster, chain: str, node: int = 0) -> tuple[str, ...]:
    return table_of(lab, node)[chain].statements


def elements(lab: Cluster, name: str, node: int = 0) -> Mapping[str, str]:
    """Where the keys of a map lead; for a set, nowhere."""
    found = (each.partition(" : ") for each in table_of(lab, node)[name].elements)
    return {key: verdict for key, _, verdict in found}


def with_config(**changes: object) -> KubeProxy:
    return replace(CONFIG, **changes)  # type: ignore[arg-type]  # fields of many types


# --- names (proxier_test.go, Test_servicePortChainNameBase and endpoint names) ---


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (names.service_chain(NAME, Protocol.TCP), "service-ULMVA6XW-ns1/svc1/tcp/p80"),
        (
            names.external_chain(ServicePortName("ns2", "svc2", "p80"), Protocol.TCP),
            "external-42NFTM6N-ns2/svc2/tcp/p80",
        ),
        (
            names.endpoint_chain(
                NAME, Protocol.TCP, Endpoint(address=IPv4Address("10.180.0.1"), port=80)
            ),
            "endpoint-5OJB2KTY-ns1/svc1/tcp/p80__10.180.0.1/80",
        ),
    ],
    ids=["service", "external", "endpoint"],
)
def test_names_are_those_of_kube_proxys_own_tests(got: str, want: str) -> None:
    assert got == want


def test_a_name_that_is_too_long_is_cut_and_still_tells_apart() -> None:
    # A namespace, a name and a port name have 63 characters at most; longer ones show the cut.
    long = "n" * 63
    first, second = (
        names.service_chain(ServicePortName(long, long + tail, long + "p" * 60), Protocol.TCP)
        for tail in "ab"
    )

    assert len(first) == len("service-") + 240
    assert first.endswith("...")
    assert first != second


# --- session affinity ---


def test_a_source_goes_where_it_went_before_or_anywhere() -> None:
    here, there = (names.endpoint_base(NAME, Protocol.TCP, endpoint) for endpoint in (HERE, THERE))

    assert rules(cluster(STICKY), SERVICE) == (
        f"ip saddr @affinity-{here} goto endpoint-{here}",
        f"ip saddr @affinity-{there} goto endpoint-{there}",
        f"numgen random mod 2 vmap {{ 0 : goto endpoint-{here}, 1 : goto endpoint-{there} }}",
    )
    assert rules(cluster(STICKY), f"endpoint-{here}") == (
        f"update @affinity-{here} {{ ip saddr }}",
        "meta l4proto tcp dnat to 10.180.1.2:80",
    )


def test_a_source_is_forgotten_after_the_services_timeout() -> None:
    base = names.endpoint_base(NAME, Protocol.TCP, HERE)

    assert table_of(cluster(STICKY))[f"affinity-{base}"] == Listed(
        "set", ("type ipv4_addr", "size 65535", "flags dynamic,timeout", "timeout 3h")
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(1, "1s"), (60, "1m"), (100, "1m40s"), (86400, "1d"), (90061, "1d1h1m1s")],
)
def test_a_timeout_is_written_as_nft_prints_it(seconds: int, shown: str) -> None:
    assert duration(seconds) == shown


def test_without_affinity_no_endpoint_has_a_chain_or_a_set() -> None:
    found = table_of(cluster(WEB))

    assert not [name for name in found if name.startswith(("endpoint-", "affinity-"))]
    any_of = "{ 0 : 10.180.1.2 . 80, 1 : 10.180.2.2 . 80 }"
    assert found[SERVICE].statements == (
        f"meta l4proto tcp dnat ip to numgen random mod 2 map {any_of}",
    )


# --- policies ---


def test_no_endpoint_anywhere_is_rejected_on_every_address() -> None:
    lab = cluster(WEB, endpoints=())

    assert elements(lab, "no-endpoint-services") == {
        key + SAID: "goto reject-chain" for key in (CLUSTER_KEY, EXTERNAL_KEY, LB_KEY)
    }
    assert elements(lab, "no-endpoint-nodeports") == {NODE_PORT_KEY + SAID: "goto reject-chain"}
    assert elements(lab, "service-ips") == {}
    assert elements(lab, "service-nodeports") == {}
    assert not [name for name in table_of(lab) if "/" in name]


def test_a_local_external_policy_without_a_local_endpoint_drops_what_comes_from_outside() -> None:
    lab = cluster(LOCAL_OUTSIDE, endpoints=[THERE])

    assert elements(lab, "no-endpoint-services") == {
        EXTERNAL_KEY + SAID: "drop",
        LB_KEY + SAID: "drop",
    }
    assert elements(lab, "no-endpoint-nodeports") == {NODE_PORT_KEY + SAID: "drop"}
    # Pods and the node itself still go there.
    assert elements(lab, "service-nodeports") == {NODE_PORT_KEY: f"goto {EXTERNAL}"}
    assert rules(lab, EXTERNAL) == (
        f'ip saddr 10.0.0.0/8 goto {SERVICE} comment "short-circuit pod traffic"',
        f'fib saddr type local {MARK} comment "masquerade local traffic"',
        f'fib saddr type local goto {SERVICE} comment "short-circuit local traffic"',
    )
    assert LOCAL_CHAIN not in table_of(lab)


def test_a_local_external_policy_with_a_local_endpoint_does_not_masquerade_clients() -> None:
    assert rules(cluster(LOCAL_OUTSIDE), EXTERNAL)[-1] == f"goto {LOCAL_CHAIN}"
    assert rules(cluster(LOCAL_OUTSIDE), LOCAL_CHAIN) == (
        "meta l4proto tcp dnat ip to numgen random mod 1 map { 0 : 10.180.1.2 . 80 }",
    )


def test_a_local_internal_policy_is_for_the_cluster_ip_alone() -> None:
    here, elsewhere = cluster(LOCAL_INSIDE), cluster(LOCAL_INSIDE, endpoints=[THERE])

    assert elements(here, "service-ips")[CLUSTER_KEY] == f"goto {LOCAL_CHAIN}"
    assert elements(elsewhere, "no-endpoint-services") == {CLUSTER_KEY + SAID: "drop"}
    assert rules(elsewhere, EXTERNAL) == (f'{MARK} comment "masquerade"', f"goto {SERVICE}")


# --- addresses ---


def test_source_ranges_are_for_the_load_balancers_address_alone() -> None:
    ranges = (IPv4Network("203.0.113.0/25"), IPv4Network("198.51.100.0/24"))
    lab = cluster(replace(WEB, source_ranges=ranges))

    assert elements(lab, "firewall-ips") == {LB_KEY: f"goto {FIREWALL}"}
    assert rules(lab, FIREWALL) == ("ip saddr != { 198.51.100.0/24, 203.0.113.0/25 } drop",)


def test_a_node_within_the_ranges_may_call_its_own_load_balancer_address() -> None:
    lab = cluster(replace(WEB, source_ranges=(IPv4Network("192.168.0.1/32"),)))

    assert rules(lab, FIREWALL, node=0) == ("ip saddr != { 192.0.2.9, 192.168.0.1 } drop",)
    assert rules(lab, FIREWALL, node=1) == ("ip saddr != 192.168.0.1 drop",)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("192.0.2.8/31", "192.0.2.8/31"),
        ("192.0.2.10/32 192.0.2.9/32", "{ 192.0.2.9, 192.0.2.10 }"),
        ("10.0.0.0/8 192.0.2.10/32 192.0.2.9/32", "{ 10.0.0.0/8, 192.0.2.9-192.0.2.10 }"),
        ("203.0.113.0/25 203.0.113.128/25", "203.0.113.0/24"),
        ("10.0.0.0/8 10.1.0.0/16 0.0.0.0/0", "0.0.0.0/0"),
    ],
)
def test_ranges_are_written_as_nft_lists_them(given: str, shown: str) -> None:
    # Read off nft 1.0.6, which puts ranges together but not mere addresses.
    assert one_or_more(map(IPv4Network, given.split())) == shown


def test_the_firewall_is_there_without_any_endpoint_too() -> None:
    ranges = (IPv4Network("203.0.113.0/25"),)
    lab = cluster(replace(WEB, source_ranges=ranges), endpoints=())

    assert elements(lab, "firewall-ips") == {LB_KEY: f"goto {FIREWALL}"}


def test_an_address_in_proxy_mode_is_left_to_the_load_balancer() -> None:
    proxied = (Ingress(ip=LB_IP, ip_mode=IPMode.PROXY),)
    lab = cluster(replace(WEB, ingress=proxied, source_ranges=(IPv4Network("203.0.113.0/25"),)))

    assert LB_KEY not in elements(lab, "service-ips")
    assert elements(lab, "firewall-ips") == {}


def test_a_health_check_port_needs_no_rule() -> None:
    # proxier.go opens no port: whoever filters must let it through.
    checked = replace(LOCAL_OUTSIDE, health_check_node_port=31000)

    assert render(cluster(checked), NODE1) == render(cluster(LOCAL_OUTSIDE), NODE1)


def test_every_protocol_has_its_own_key_and_chain() -> None:
    ports = tuple(
        ServicePort(name=f"p-{each.lower()}", protocol=each, port=80, target_port=80)
        for each in Protocol
    )
    lab = cluster(
        replace(WEB, type=ServiceType.CLUSTER_IP, ports=ports, external_ips=(), ingress=())
    )

    found = elements(lab, "service-ips")

    assert len(found) == 3
    for each in Protocol:
        chain = found[f"172.30.0.41 . {each.lower()} . 80"].removeprefix("goto ")
        (rule,) = rules(lab, chain)
        assert rule.startswith(f"meta l4proto {each.lower()} dnat ")


def test_only_a_nodes_own_endpoints_can_send_to_themselves() -> None:
    lab = cluster(WEB)

    assert elements(lab, "hairpin-connections", node=0).keys() == {
        "10.180.1.2 . 10.180.1.2 . tcp . 80"
    }
    assert elements(lab, "hairpin-connections", node=1).keys() == {
        "10.180.2.2 . 10.180.2.2 . tcp . 80"
    }


@pytest.mark.parametrize(
    "foreign",
    [
        replace(WEB, labels={"service.kubernetes.io/service-proxy-name": "other"}),
        replace(WEB, cluster_ip=None),
        replace(WEB, type=ServiceType.EXTERNAL_NAME),
    ],
    ids=["another proxy's", "headless", "ExternalName"],
)
def test_a_service_that_is_not_proxied_leaves_no_trace(foreign: Service) -> None:
    assert render(cluster(foreign), NODE1) == render(cluster(), NODE1)


# --- kube-proxy's configuration ---

ANYWHERE = "fib daddr type local ip daddr != 127.0.0.0/8"


@pytest.mark.parametrize(
    ("ranges", "addresses"),
    [
        ((), {"192.168.0.1"}),
        (("192.168.0.0/24",), {"192.168.0.1"}),
        (("10.180.0.0/16",), {"10.180.1.1"}),
        (("10.180.0.0/16", "192.168.0.0/16", "127.0.0.0/8"), {"192.168.0.1", "10.180.1.1"}),
        (("198.51.100.0/24",), set()),
    ],
    ids=["primary", "LAN", "bridge", "several", "none"],
)
def test_node_ports_answer_on_some_addresses(ranges: tuple[str, ...], addresses: set[str]) -> None:
    networks = tuple(map(IPv4Network, ranges))
    lab = cluster(WEB, config=with_config(node_port_addresses=networks))

    assert elements(lab, "nodeport-ips").keys() == addresses
    assert rules(lab, "services")[-1].startswith("ip daddr @nodeport-ips meta l4proto")
    assert rules(lab, "nodeport-endpoints-check")[0].startswith("ip daddr @nodeport-ips meta")


def test_node_ports_can_answer_on_every_address_but_localhost() -> None:
    everything = (IPv4Network("0.0.0.0/0"),)
    lab = cluster(WEB, config=with_config(node_port_addresses=everything))

    assert "nodeport-ips" not in table_of(lab)
    assert rules(lab, "services")[-1] == (
        f"{ANYWHERE} meta l4proto . th dport vmap @service-nodeports"
    )
    assert rules(lab, "nodeport-endpoints-check") == (
        "ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap @no-endpoint-nodeports",
    )


def test_the_overlays_address_is_one_of_the_nodes() -> None:
    config = with_config(node_port_addresses=(IPv4Network("10.180.1.0/32"),))
    lab = cluster(WEB, config=config)
    overlay = replace(lab, network=replace(lab.network, pod_network=PodNetwork.VXLAN))

    assert elements(lab, "nodeport-ips").keys() == set()
    assert elements(overlay, "nodeport-ips").keys() == {"10.180.1.0"}


TO_SERVICE = "ip daddr @cluster-ips"


@pytest.mark.parametrize(
    ("config", "other"),
    [
        (CONFIG, "ip saddr != 10.0.0.0/8"),
        (with_config(detect_local_mode=DetectLocalMode.NODE_CIDR), "ip saddr != 10.180.1.0/24"),
        (
            with_config(
                detect_local_mode=DetectLocalMode.BRIDGE_INTERFACE, bridge_interface="cni0"
            ),
            'iifname != "cni0"',
        ),
        (
            with_config(
                detect_local_mode=DetectLocalMode.INTERFACE_NAME_PREFIX,
                interface_name_prefix="veth",
            ),
            'iifname != "veth*"',
        ),
    ],
    ids=["ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"],
)
def test_traffic_to_cluster_ips_from_elsewhere_is_masqueraded(
    config: KubeProxy, other: str
) -> None:
    lab = cluster(LOCAL_OUTSIDE, config=config)

    assert rules(lab, "services")[0] == (
        f'{TO_SERVICE} {other} {MARK} comment "masquerade clusterIP traffic from outside cluster"'
    )
    assert rules(lab, EXTERNAL)[0].startswith(f"{other.replace('!= ', '')} goto {SERVICE}")


def test_without_a_detector_nobody_is_taken_for_a_pod() -> None:
    lab = cluster(LOCAL_OUTSIDE, config=with_config(cluster_cidr=None))

    assert rules(lab, "services")[0].startswith("ip daddr . meta l4proto")
    assert rules(lab, EXTERNAL)[0].startswith("fib saddr type local")


def test_masquerade_all_is_for_pods_too() -> None:
    lab = cluster(WEB, config=with_config(masquerade_all=True))

    assert rules(lab, "services")[0].startswith(f"{TO_SERVICE} {MARK}")


def test_the_mark_is_one_bit() -> None:
    lab = cluster(WEB, config=with_config(masquerade_bit=5))

    assert rules(lab, EXTERNAL)[0] == 'meta mark set meta mark | 0x00000020 comment "masquerade"'
    assert rules(lab, "masquerading")[0] == (
        "meta mark & 0x00000020 != 0x00000000 meta mark set meta mark ^ 0x00000020 "
        "masquerade fully-random"
    )


def test_without_masquerade_only_the_mark_is_taken_away() -> None:
    lab = cluster(WEB, without=frozenset({"masquerade"}))

    assert rules(lab, "masquerading") == (
        "meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000",
    )


def test_the_cnis_rule_comes_after_kube_proxys() -> None:
    lab = cluster(WEB)
    hidden = replace(lab, network=replace(lab.network, pod_masquerade=True))

    assert "cni" not in read_tables(render(lab, NODE1).text())
    assert read_tables(render(hidden, NODE1).text())["cni"]["postrouting"].statements == (
        "type nat hook postrouting priority srcnat + 1; policy accept;",
        'ip saddr 10.180.0.0/16 ip daddr != 10.180.0.0/16 masquerade comment "cni-masq"',
    )
    assert table_of(hidden)["nat-postrouting"].statements[0] == (
        "type nat hook postrouting priority srcnat; policy accept;"
    )


def test_elements_come_in_the_order_of_their_addresses() -> None:
    second = replace(WEB, key=WEB.key._replace(name="a"), cluster_ip=IPv4Address("172.30.0.9"))

    text = render(cluster(second, WEB), NODE2).text()

    assert text.index("172.30.0.9, ") < text.index("172.30.0.41 }")
