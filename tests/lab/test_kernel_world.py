"""The network of a cluster in the kernel: what hosts have, and that packets go through it."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from labkit.cluster.model import Cluster
from labkit.errors import KernelError, LabError, MissingFeature, UsageError
from labkit.kernel.carrier import wait_for_carrier
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World
from tests.lab import kernel_clusters as given
from tests.lab.probe_hosts import open_files

PORT = 80
WAIT_S = 2.0


@contextmanager
def running(cluster: Cluster) -> Iterator[World]:
    with Edge() as edge:
        try:
            edge.namespace("a try").close()
        except MissingFeature as error:
            pytest.skip(str(error))
        with World(edge, cluster) as world:
            yield world


@pytest.fixture(params=[given.CLUSTER, given.VXLAN], ids=["host-gw", "vxlan"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with running(request.param) as made:
        yield made


@pytest.fixture
def plain() -> Iterator[World]:
    with running(given.CLUSTER) as made:
        yield made


def ip(namespace: Namespace, *arguments: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(namespace.execute(["ip", "-json", *arguments]))
    return listed


def link(namespace: Namespace, name: str) -> dict[str, Any]:
    return ip(namespace, "-details", "link", "show", name)[0]


def addresses(namespace: Namespace) -> set[str]:
    return {
        f"{each['ifname']} {info['local']}/{info['prefixlen']}"
        for each in ip(namespace, "address")
        for info in each["addr_info"]
    }


def routes(namespace: Namespace) -> set[str]:
    listed = namespace.execute(["ip", "route"]).splitlines()
    return {" ".join(line.replace(" proto static", "").split()) for line in listed}


def sysctl(namespace: Namespace, name: str) -> str:
    return namespace.execute(["cat", f"/proc/sys/net/{name}"]).strip()


def seen_source(source: Namespace, target: Namespace, address: IPv4Address) -> IPv4Address:
    """Connect from one host to the other and return the address that the other saw."""
    with (
        target.socket(socket.AF_INET, socket.SOCK_STREAM) as server,
        source.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("", PORT))
        server.listen()
        client.settimeout(WAIT_S)
        server.settimeout(WAIT_S)
        client.connect((str(address), PORT))
        accepted, (peer, _) = server.accept()
        accepted.close()
    return IPv4Address(peer)


def test_hosts_have_the_addresses_of_the_cluster(plain: World) -> None:
    assert addresses(plain.host("node1")) == {
        "lo 127.0.0.1/8",
        "eth0 192.168.0.11/24",
        "cni0 10.244.1.1/24",
    }
    assert addresses(plain.host("web-1")) == {"lo 127.0.0.1/8", "eth0 10.244.1.2/24"}
    assert addresses(plain.host("client")) == {"lo 127.0.0.1/8", "eth0 192.168.0.100/24"}
    assert addresses(plain.host("stranger")) == {"lo 127.0.0.1/8", "eth0 203.0.113.7/32"}
    assert addresses(plain.fabric) == {"lo 127.0.0.1/8", "lan0 192.168.0.1/24"}


def test_nodes_route_pods_of_other_nodes_by_their_addresses(plain: World) -> None:
    assert routes(plain.host("node1")) == {
        "default via 192.168.0.1 dev eth0",
        "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.11",
        "10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1",
        "10.244.2.0/24 via 192.168.0.12 dev eth0",
    }
    assert "default via 10.244.1.1 dev eth0" in routes(plain.host("web-1"))


def test_vxlan_is_as_flannel_makes_it() -> None:
    with running(given.VXLAN) as world:
        node1 = world.host("node1")
        flannel = link(node1, "flannel.1")
        assert flannel["mtu"] == link(world.host("web-1"), "eth0")["mtu"] == 1450
        data = flannel["linkinfo"]["info_data"]
        assert (data["id"], data["port"], data["local"]) == (1, 8472, "192.168.0.11")
        assert not data["learning"]
        assert "flannel.1 10.244.1.0/32" in addresses(node1)
        assert "10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink" in routes(node1)
        entries = node1.execute(["bridge", "fdb", "show", "dev", "flannel.1"])
        assert re.search(r"dst 192\.168\.0\.12 .*self permanent", entries)


def test_ports_of_pods_are_on_the_bridge_with_hairpin_and_the_same_mtu(world: World) -> None:
    port = link(world.host("node1"), "veth-web-1")
    assert port["master"] == "cni0"
    assert port["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert port["mtu"] == link(world.host("web-1"), "eth0")["mtu"]
    assert "UP" in port["flags"]


def test_every_link_is_up_and_none_has_ipv6(world: World) -> None:
    for name in ("node1", "node2", "web-1", "client", "stranger"):
        for each in ip(world.host(name), "address"):
            assert "UP" in each["flags"], (name, each["ifname"])
            assert {info["family"] for info in each["addr_info"]} <= {"inet"}


def test_sysctls_of_nodes_and_fabric(plain: World) -> None:
    for node in ("node1", "node2"):
        namespace = plain.host(node)
        assert sysctl(namespace, "ipv4/ip_forward") == "1"
        assert sysctl(namespace, "bridge/bridge-nf-call-iptables") == "1"
        assert sysctl(namespace, "ipv4/icmp_ratelimit") == "0"
        for name in ("all", "default", "eth0", "cni0"):
            assert sysctl(namespace, f"ipv4/conf/{name}/rp_filter") == "0"
    assert sysctl(plain.fabric, "bridge/bridge-nf-call-iptables") == "0"
    assert sysctl(plain.fabric, "ipv4/ip_forward") == "1"


@pytest.mark.parametrize(
    ("source", "target", "address"),
    [
        ("client", "node1", given.NODE1.address),
        ("client", "stranger", given.STRANGER.address),
        ("stranger", "node2", given.NODE2.address),
        ("node1", "web-1", given.WEB1.address),
        ("node1", "web-2", given.WEB2.address),
        ("web-1", "web-2", given.WEB2.address),
        ("web-1", "agent", given.AGENT.address),
        ("node1", "client", given.CLIENT.address),
    ],
)
def test_packets_go_between(world: World, source: str, target: str, address: IPv4Address) -> None:
    seen = seen_source(world.host(source), world.host(target), address)

    own = {each.split()[1].split("/")[0] for each in addresses(world.host(source))}
    assert str(seen) in own


def test_a_route_of_a_client_behind_the_router_is_the_routers(plain: World) -> None:
    assert "10.96.0.0/12 via 192.168.0.11 dev lan0" in routes(plain.fabric)
    assert "default via 192.168.0.1 dev eth0 onlink" in routes(plain.host("stranger"))


def test_the_router_is_silent_about_what_it_has_no_route_for(plain: World) -> None:
    assert "blackhole default" in routes(plain.fabric)


def test_a_host_network_pod_is_its_node(plain: World) -> None:
    assert plain.host("agent") is plain.host("node2")


def test_an_unknown_host_is_named(plain: World) -> None:
    with pytest.raises(UsageError, match="host web-9 does not exist"):
        plain.host("web-9")


def test_a_pod_comes_and_goes_while_the_lab_runs(world: World) -> None:
    node1 = world.host("node1")
    for _ in range(2):  # the second time the same names are free again
        world.add_pod(given.pod("web-3", given.NODE1, 3))
        assert link(node1, "veth-web-3")["linkinfo"]["info_slave_data"]["hairpin"] is True
        seen_source(world.host("client"), node1, given.NODE1.address)
        web3 = given.NODE1.pod_cidr[3]
        assert seen_source(world.host("web-2"), world.host("web-3"), web3) == given.WEB2.address

        world.remove_pod("web-3")

        assert "veth-web-3" not in {each["ifname"] for each in ip(node1, "link")}
        with pytest.raises(UsageError):
            world.host("web-3")


def test_a_bridge_keeps_its_mac_when_pods_come_and_go(plain: World) -> None:
    """What pods know of their gateway stays true."""
    node1 = plain.host("node1")
    own = "0a:58:0a:f4:01:01"
    assert link(node1, "cni0")["address"] == own
    plain.add_pod(given.pod("web-3", given.NODE1, 3))
    assert link(node1, "cni0")["address"] == own
    plain.remove_pod("web-3")
    plain.remove_pod("web-1")
    assert link(node1, "cni0")["address"] == own


def test_a_pod_at_the_address_of_one_that_is_gone_is_found_at_once(plain: World) -> None:
    last = given.NODE1.pod_cidr[3]
    for name in ("web-3", "web-4"):
        plain.add_pod(given.pod(name, given.NODE1, 3))
        # The node and its other pods have the address in their ARP tables by now.
        for source in ("node1", "web-1", "web-2"):
            started = time.monotonic()
            seen_source(plain.host(source), plain.host(name), last)
            assert time.monotonic() - started < 0.5
        plain.remove_pod(name)


def test_a_host_network_pod_comes_and_goes(plain: World) -> None:
    plain.add_pod(given.pod("agent-2", given.NODE1, 0, host_network=True))
    assert plain.host("agent-2") is plain.host("node1")

    plain.remove_pod("agent-2")

    with pytest.raises(UsageError):
        plain.host("agent-2")
    seen_source(plain.host("client"), plain.host("node1"), given.NODE1.address)


def test_more_ports_than_a_bridge_takes_are_refused_before_anything_is_made() -> None:
    wide = replace(given.NODE1, pod_cidr=given.CLUSTER.network.pod_cidr)
    pods = tuple(given.pod(f"p{number}", wide, number + 2) for number in range(1024))
    cluster = replace(given.CLUSTER, nodes=(wide,), pods=pods)

    refusal = r"cni0 of node1 would have 1024 ports; .* takes 1023"
    with pytest.raises(LabError, match=refusal), running(cluster):
        pass


def test_a_refused_step_names_host_request_and_reason_and_leaves_nothing() -> None:
    twin = replace(given.WEB2, node="node1", interface=given.WEB1.interface)
    cluster = replace(given.CLUSTER, pods=(given.WEB1, twin))
    before = open_files()

    refusal = r"web-2: add veth veth-web-1 .*: File exists"
    with pytest.raises(KernelError, match=refusal) as caught, running(cluster):
        pass

    assert caught.value.errno == 17
    assert open_files() == before


def test_the_first_packets_of_a_new_lab_are_not_lost() -> None:
    started = time.monotonic()
    with running(given.CLUSTER) as world:
        seen_source(world.host("web-1"), world.host("web-2"), given.WEB2.address)
    # A lost SYN would be sent again after one second.
    assert time.monotonic() - started < 1.0


def test_a_lab_with_more_than_a_thousand_files_open_waits_for_its_links_too() -> None:
    with ExitStack() as stack:
        for _ in range(1100):
            stack.enter_context(Path("/dev/null").open())

        with running(given.CLUSTER) as world:
            assert world.fabric.fd > 1023
            wait_for_carrier(world.fabric)
