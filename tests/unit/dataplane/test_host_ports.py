"""Host ports: the CNI port mapper's rules, and where packets go through them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Cluster, Container, ContainerPort, Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.dataplane import cni, data_plane
from labkit.dataplane.iptables.render import render, render_cni_only
from labkit.dataplane.rules import Ruleset
from labkit.dataplane.walk import Packet, Walk, walk
from tests.unit.dataplane.clusters import CLIENT, LOCALHOST, NODE1, NODE_PORT, POD, WEB, cluster

NODE1_IP = NODE1.address
TCP, UDP = Protocol.TCP, Protocol.UDP


def pod(name: str, last: int, *ports: ContainerPort) -> Pod:
    return Pod(
        key=ObjectName("default", name),
        node="node1",
        address=IPv4Address(f"10.180.1.{last}"),
        containers=(Container(name="c", ports=ports),),
    )


def mapped(port: int, host_port: int, on: str = "", protocol: Protocol = TCP) -> ContainerPort:
    address = IPv4Address(on) if on else None
    return ContainerPort(port=port, protocol=protocol, host_port=host_port, host_ip=address)


FIRST = pod("first", 21, mapped(80, 8080, "127.0.0.1"), mapped(81, 8081))
SECOND = pod("second", 22, mapped(80, 8080, str(NODE1_IP)), mapped(53, 8080, protocol=UDP))
LAB = replace(cluster(WEB), pods=(FIRST, SECOND))


def send(
    to: IPv4Address,
    port: int,
    *,
    source: IPv4Address = CLIENT,
    protocol: Protocol = TCP,
    lab: Cluster = LAB,
) -> Walk:
    interface = {CLIENT: "eth0", NODE1_IP: "", LOCALHOST: ""}.get(source, "cni0")
    packet = Packet(
        source=source, destination=to, dport=port, protocol=protocol, interface=interface
    )
    (way,) = walk(render(lab, NODE1), packet, cluster=lab, node=NODE1)
    return way


@pytest.mark.parametrize(
    ("network", "chain"),
    [("testNetName", "CNI-DN-bfd599665540dd91d5d28"), ("test", "CNI-DN-67e92b96e692a494b6b85")],
)
def test_chains_are_named_as_the_plugin_names_them(network: str, chain: str) -> None:
    # The names that portmap_iptables_test.go expects of this id.
    container = (
        "icee6giejonei6sohng6ahngee7laquohquee9shiGo7fohferakah3Feiyoolu2pei7ciPhoh7shaoX6vai3vuf0"
        "ahfaeng8yohb9ceu0daez5hashee8ooYai5wa3y"
    )

    assert cni.chain_name(network, container) == chain


def test_a_port_leads_to_the_pod_that_has_it_on_that_address() -> None:
    assert send(NODE1_IP, 8080).to == "10.180.1.22:80"
    assert send(LOCALHOST, 8080, source=LOCALHOST).to == "10.180.1.21:80"
    assert send(NODE1_IP, 8081).to == "10.180.1.21:81"
    assert send(NODE1_IP, 8080, protocol=UDP).to == "10.180.1.22:53"
    assert send(NODE1_IP, 8081, protocol=UDP).translated is False


def test_outside_clients_keep_their_address_and_the_nodes_own_pods_do_not() -> None:
    assert not send(NODE1_IP, 8080).masqueraded
    assert send(NODE1_IP, 8080, source=POD).masqueraded
    assert send(NODE1_IP, 8080, source=SECOND.address).masqueraded
    assert send(LOCALHOST, 8080, source=LOCALHOST).masqueraded


def test_another_hosts_port_of_the_same_number_is_left_alone() -> None:
    assert send(IPv4Address("10.180.2.2"), 8081, source=POD).to == "10.180.2.2:8081"


def test_a_node_port_is_looked_for_before_a_host_port() -> None:
    lab = replace(LAB, pods=(pod("both", 23, mapped(80, NODE_PORT)),))

    ways = walk(
        render(lab, NODE1),
        Packet(source=CLIENT, destination=NODE1_IP, dport=NODE_PORT),
        cluster=lab,
        node=NODE1,
    )

    assert {way.to for way in ways} == {"10.180.1.2:80", "10.180.2.2:80"}


def test_a_node_without_host_ports_has_no_rule_for_them() -> None:
    lab = replace(LAB, pods=(pod("web-1", 2, ContainerPort(port=80)),))

    for plane in ("iptables", "ipvs", "nftables", "none"):
        assert "HOSTPORT" not in data_plane(plane).render(lab, NODE1).text()
    assert cni.sysctls(lab, NODE1) == {}


@pytest.mark.parametrize("plane", ["iptables", "ipvs", "nftables", "none"])
def test_the_rules_are_the_same_beside_every_data_plane(plane: str) -> None:
    def of_host_ports(text: str) -> list[str]:
        return [line for line in text.splitlines() if "-A CNI-" in line]

    expected = of_host_ports(render_cni_only(LAB, NODE1).text())

    assert of_host_ports(data_plane(plane).render(LAB, NODE1).text()) == expected
    assert cni.sysctls(LAB, NODE1) == {"net/ipv4/conf/cni0/route_localnet": "1"}


def test_sixteen_ports_take_two_rules() -> None:
    lab = replace(LAB, pods=(pod("many", 24, *(mapped(80, 8000 + n) for n in range(16))),))

    (nat,) = Ruleset(render_cni_only(lab, NODE1).tables).tables

    assert [rule.split("--dports ")[1].split(" ")[0] for rule in nat.chains[cni.DNAT]] == [
        ",".join(str(8000 + n) for n in range(15)),
        "8015",
    ]
