"""Labs larger than the machine's ARP table: their hosts know each other from the beginning."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from labkit.errors import MissingFeature
from labkit.kernel import neighbours
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World
from tests.lab import kernel_clusters as given

PORT = 80
WAIT_S = 2.0


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A small lab, given entries as if it were a large one."""
    monkeypatch.setattr(neighbours, "MOST_LEARNED", 0)
    with Edge() as edge:
        try:
            edge.namespace("a try").close()
        except MissingFeature as error:
            pytest.skip(str(error))
        with World(edge, given.CLUSTER) as made:
            yield made


def learned(namespace: Namespace) -> list[str]:
    """ARP entries that the kernel had to ask for."""
    entries = namespace.execute(["ip", "neigh"]).splitlines()
    return [each for each in entries if "PERMANENT" not in each]


def connect(source: Namespace, target: Namespace, address: object) -> None:
    with (
        target.socket(socket.AF_INET, socket.SOCK_STREAM) as server,
        source.socket(socket.AF_INET, socket.SOCK_STREAM) as client,
    ):
        server.bind(("", PORT))
        server.listen()
        client.settimeout(WAIT_S)
        client.connect((str(address), PORT))


def test_hosts_reach_each_other_without_asking(world: World) -> None:
    web1, web2 = given.WEB1, given.WEB2
    connect(world.host("client"), world.host("node1"), given.NODE1.address)
    connect(world.host("web-1"), world.host("web-2"), web2.address)
    connect(world.host("node2"), world.host("web-1"), web1.address)
    for name in ("client", "node1", "node2", "web-1", "web-2"):
        assert learned(world.host(name)) == [], name


def test_a_pod_that_is_gone_is_forgotten_and_its_address_can_be_had_again(world: World) -> None:
    for name in ("web-3", "web-4"):
        pod = given.pod(name, given.NODE1, 3)
        world.add_pod(pod)
        connect(world.host("web-2"), world.host(name), pod.address)
        world.remove_pod(name)
        assert str(pod.address) not in world.host("node1").execute(["ip", "neigh"])
