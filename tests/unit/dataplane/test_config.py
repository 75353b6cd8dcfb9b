"""What each setting of kube-proxy's configuration changes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from labkit.cluster.model import Cluster, DetectLocalMode, KubeProxy, PodNetwork
from labkit.dataplane import data_plane, needs_of
from labkit.dataplane.iptables.render import LARGE_CLUSTER_ENDPOINTS, render, render_cni_only
from labkit.dataplane.walk import Packet, walk
from labkit.errors import UsageError
from tests.unit.dataplane.clusters import (
    BOTH,
    CLIENT,
    CLUSTER_IP,
    CONFIG,
    HERE,
    LOCAL,
    LOCALHOST,
    NETWORK,
    NODE1,
    NODE_PORT,
    ONLY_HERE,
    P80,
    POD,
    WEB,
    cluster,
    send,
)

LOCAL_OUTSIDE = replace(WEB, external_traffic_policy=LOCAL)
FAR_POD = IPv4Address("10.180.2.9")
"""A pod of node2 whose packet comes in by node1's eth0."""


# --- detectLocalMode ---

ANY_POD = replace(CONFIG, cluster_cidr=IPv4Network("10.180.0.0/16"))
OWN_PODS = replace(CONFIG, detect_local_mode=DetectLocalMode.NODE_CIDR)
BY_BRIDGE = replace(
    CONFIG, detect_local_mode=DetectLocalMode.BRIDGE_INTERFACE, bridge_interface="cni0"
)
BY_PREFIX = replace(
    CONFIG, detect_local_mode=DetectLocalMode.INTERFACE_NAME_PREFIX, interface_name_prefix="cn"
)
DETECTORS = [
    pytest.param(ANY_POD, id="ClusterCIDR"),
    pytest.param(OWN_PODS, id="NodeCIDR"),
    pytest.param(BY_BRIDGE, id="BridgeInterface"),
    pytest.param(BY_PREFIX, id="InterfaceNamePrefix"),
]


@pytest.mark.parametrize("config", DETECTORS)
def test_a_pod_of_the_node_is_told_from_others_in_every_mode(config: KubeProxy) -> None:
    lab = cluster(LOCAL_OUTSIDE, config=config)

    assert not send(lab, "pod", CLUSTER_IP).masqueraded
    assert send(lab, "client", CLUSTER_IP).masqueraded
    assert send(lab, "node", CLUSTER_IP).masqueraded
    assert send(lab, "pod", NODE1.address, NODE_PORT).to == BOTH
    assert send(lab, "client", NODE1.address, NODE_PORT).to == ONLY_HERE


def test_only_the_cluster_cidr_takes_another_nodes_pod_for_local() -> None:
    seen = {
        config.detect_local_mode: send(cluster(WEB, config=config), FAR_POD, CLUSTER_IP).masqueraded
        for config in (ANY_POD, OWN_PODS, BY_BRIDGE, BY_PREFIX)
    }

    assert seen == {
        DetectLocalMode.CLUSTER_CIDR: False,
        DetectLocalMode.NODE_CIDR: True,
        DetectLocalMode.BRIDGE_INTERFACE: True,
        DetectLocalMode.INTERFACE_NAME_PREFIX: True,
    }


def test_an_interface_is_matched_where_iptables_prints_it() -> None:
    chains = chains_of(cluster(LOCAL_OUTSIDE, config=BY_BRIDGE), "nat")

    inside, outside = sorted(rule for rules in chains.values() for rule in rules if "-i " in rule)
    assert inside.startswith("-d 172.30.0.41/32 ! -i cni0 -p tcp -m comment ")
    assert outside.startswith("-i cni0 -m comment ")


# --- NodePorts ---


def test_node_ports_answer_on_every_address_of_the_node_by_default() -> None:
    for address in (NODE1.address, NODE1.bridge_ip):
        assert send(cluster(WEB), "client", address, NODE_PORT).to == BOTH


def test_node_ports_can_be_narrowed_to_some_of_the_nodes_addresses() -> None:
    lab = cluster(WEB, config=replace(CONFIG, node_port_addresses=(NETWORK.lan,)))

    assert send(lab, "client", NODE1.address, NODE_PORT).to == BOTH
    assert send(lab, "pod", NODE1.bridge_ip, NODE_PORT).to == frozenset()
    assert send(lab, "localhost", LOCALHOST, NODE_PORT).to == frozenset()


def test_a_range_of_everything_is_every_address() -> None:
    everything = replace(CONFIG, node_port_addresses=(NETWORK.lan, IPv4Network("0.0.0.0/0")))

    assert render(cluster(WEB, config=everything), NODE1) == render(cluster(WEB), NODE1)


def test_the_overlays_address_is_one_of_the_nodes() -> None:
    config = replace(CONFIG, node_port_addresses=(NETWORK.pod_cidr,))
    lab = cluster(WEB, config=config)
    overlay = replace(lab, network=replace(NETWORK, pod_network=PodNetwork.VXLAN))

    assert send(lab, "pod", NODE1.vxlan_ip, NODE_PORT).to == frozenset()
    assert send(overlay, "pod", NODE1.vxlan_ip, NODE_PORT).to == BOTH


def test_node_ports_on_localhost_can_be_switched_off() -> None:
    lab = cluster(WEB, config=replace(CONFIG, localhost_node_ports=False))

    assert send(lab, "localhost", LOCALHOST, NODE_PORT).to == frozenset()
    assert send(lab, "node", NODE1.address, NODE_PORT).to == BOTH
    assert "localhost_nps_accepted_pkts" not in render(lab, NODE1).text()


@pytest.mark.parametrize(
    ("changes", "routed"),
    [
        pytest.param({}, True, id="by default"),
        pytest.param({"localhost_node_ports": False}, False, id="switched off"),
        pytest.param({"node_port_addresses": (NETWORK.lan,)}, False, id="not in the ranges"),
        pytest.param(
            {"node_port_addresses": (IPv4Network("127.0.0.0/8"),)}, True, id="in the ranges"
        ),
    ],
)
def test_a_node_routes_localhost_only_where_node_ports_need_it(
    changes: dict[str, object], *, routed: bool
) -> None:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]

    sysctls = data_plane("iptables").sysctls(cluster(config=config))

    assert sysctls == ({"net/ipv4/conf/all/route_localnet": "1"} if routed else {})


def test_node_port_addresses_without_localhost_leave_its_rules_out() -> None:
    lab = cluster(WEB, config=replace(CONFIG, node_port_addresses=(NETWORK.lan,)))

    assert chains_of(lab, "filter")["KUBE-FIREWALL"] == ()
    assert "localhost_nps_accepted_pkts" not in render(lab, NODE1).text()


def test_a_stranger_cannot_reach_127_0_0_1_by_its_mac_address() -> None:
    sent = send(cluster(WEB), "client", LOCALHOST, 10250)

    assert sent.dropped
    assert sent.ways[0].chains[-1] == "KUBE-FIREWALL"


def test_kubelets_rule_is_kubelets_where_localhost_is_not_opened() -> None:
    lab = cluster(config=replace(CONFIG, localhost_node_ports=False))

    assert chains_of(lab, "filter")["KUBE-FIREWALL"] == ()


# --- masquerade ---


def test_another_bit_marks_what_is_masqueraded() -> None:
    lab = cluster(WEB, config=replace(CONFIG, masquerade_bit=5))

    assert send(lab, "client", NODE1.address, NODE_PORT).masqueraded
    assert chains_of(lab, "nat")["KUBE-MARK-MASQ"] == ("-j MARK --set-xmark 0x20/0x20",)
    assert "0x4000" not in render(lab, NODE1).text()


def test_a_demonstration_may_leave_the_masquerade_rule_out_and_nothing_else() -> None:
    whole = render(cluster(WEB), NODE1).text().splitlines()

    without = render(cluster(WEB, without=frozenset({"masquerade"})), NODE1).text().splitlines()

    (left_out,) = set(whole) - set(without)
    assert left_out.startswith("-A KUBE-POSTROUTING")
    assert left_out.endswith("-j MASQUERADE --random-fully")
    assert len(without) == len(whole) - 1


def test_the_cni_masquerades_pods_that_leave_the_pod_network() -> None:
    lab = cluster(WEB)
    lab = replace(lab, network=replace(NETWORK, pod_masquerade=True))

    assert send(lab, "pod", CLIENT, 80).masqueraded
    assert not send(lab, "pod", FAR_POD, 80).masqueraded
    assert not send(lab, "client", POD, 80).masqueraded


def test_without_a_data_plane_the_cnis_rule_is_all_there_is() -> None:
    lab = replace(cluster(WEB), network=replace(NETWORK, pod_masquerade=True))

    rules = render_cni_only(lab, lab.nodes[0])

    packet = Packet(source=POD, destination=CLUSTER_IP, dport=80, interface="cni0")
    (way,) = walk(rules, packet, cluster=lab, node=NODE1)
    assert (way.translated, way.masqueraded) == (False, True)
    assert data_plane("none").render(lab, NODE1) == rules


# --- what the kernel and the size of the cluster change ---


def test_without_nfacct_nothing_is_counted_and_all_else_stays() -> None:
    lab = cluster(WEB)

    without = render(lab, NODE1, nfacct=False)

    kept = set(without.text().splitlines())
    assert "nfacct" not in without.text()
    lost = [line for line in render(lab, NODE1).text().splitlines() if line not in kept]
    assert [line.split()[1] for line in lost] == ["KUBE-FORWARD", "KUBE-NODEPORTS"]


def test_in_a_large_cluster_rules_of_endpoints_have_no_comments() -> None:
    many = [
        replace(HERE, address=IPv4Address("10.180.0.0") + number)
        for number in range(LARGE_CLUSTER_ENDPOINTS + 1)
    ]

    large = chains_of(cluster(WEB, endpoints=many), "nat")

    of_endpoints = [
        rule
        for chain, rules in large.items()
        for rule in rules
        if chain.startswith("KUBE-SEP-") or "-j KUBE-SEP-" in rule
    ]
    assert len(of_endpoints) == 3 * len(many)
    assert not any("--comment" in rule for rule in of_endpoints)
    assert "--comment" in large["KUBE-SERVICES"][0]


def test_a_cluster_of_a_thousand_endpoints_is_not_large_yet() -> None:
    many = [
        replace(HERE, address=IPv4Address("10.180.0.0") + number)
        for number in range(LARGE_CLUSTER_ENDPOINTS)
    ]

    rules = chains_of(cluster(WEB, endpoints=many), "nat")["KUBE-SVC-XPGD46QRK7WJZT7O"]

    assert all("--comment" in rule for rule in rules)


def test_endpoints_of_headless_services_do_not_make_a_cluster_large() -> None:
    many = [
        replace(HERE, address=IPv4Address("10.180.0.0") + number)
        for number in range(LARGE_CLUSTER_ENDPOINTS + 1)
    ]
    headless = replace(WEB, key=WEB.key._replace(name="headless"), cluster_ip=None)
    lab = cluster(WEB)
    lab = replace(
        lab,
        services=(headless, WEB),
        endpoints={**lab.endpoints, headless.port_name(P80): tuple(many)},
    )

    assert render(lab, NODE1) == render(cluster(WEB), NODE1)


# --- data planes by name ---


def test_a_name_that_is_no_data_plane_is_said_to_be_none() -> None:
    with pytest.raises(UsageError, match="data plane ebpf is none; there are: iptables,"):
        data_plane("ebpf")


def test_a_real_kube_proxy_has_no_rules_without_a_lab() -> None:
    with pytest.raises(UsageError, match="a real kube-proxy makes its rules itself"):
        data_plane("kube-proxy")


@pytest.mark.parametrize("mode", ["iptables", "ipvs", "nftables"])
def test_a_real_kube_proxy_needs_what_its_mode_needs(mode: str) -> None:
    assert needs_of("kube-proxy", proxy_mode=mode) == data_plane(mode).needs
    assert needs_of("none", proxy_mode=mode) == ()


def chains_of(lab: Cluster, name: str) -> dict[str, tuple[str, ...]]:
    (table,) = (each for each in render(lab, NODE1).tables if each.name == name)
    return dict(table.chains)
