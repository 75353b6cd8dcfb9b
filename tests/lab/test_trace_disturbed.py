"""`labkit trace` where others are at work: their traffic, their rules, a kernel that discards."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from labkit.pytest_plugin import LabFactory
from labkit.trace.path import Address, Fate, Hop, HostKind
from labkit.trace.recording import Host
from labkit.trace.watch import Watch
from tests.lab.probe_hosts import hosts

OTHERS_PORT = 4242
SCENARIOS = Path(__file__).parents[2] / "scenarios"
FIREWALL = """\
add table inet filter
add chain inet filter FORWARD { type filter hook forward priority 0 ; }
add rule inet filter FORWARD tcp dport 80 drop comment "no web here"
"""


def ends(hop: Hop) -> tuple[Address, Address]:
    return hop.source, hop.destination


@contextmanager
def asking_the_same(sock: socket.socket, address: tuple[str, int]) -> Iterator[None]:
    """Send what a probe sends, over and over, from a socket of another host."""
    done = Event()
    sock.connect(address)
    sock.settimeout(0.05)

    def ask() -> None:
        while not done.is_set():
            try:
                sock.send(b"labkit")
                sock.recv(2000)
            except OSError:
                continue  # a refusal is an answer, too

    thread = Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        sock.close()


def test_another_clients_datagrams_of_the_same_words_stay_out_of_the_path(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "udp.yaml")
    node2 = str(cluster.cluster.node_by_name["node2"].address)
    sock = cluster.socket("node1", socket.SOCK_DGRAM)
    sock.bind(("", OTHERS_PORT))

    with asking_the_same(sock, (node2, 30053)):
        paths = cluster.trace("client", "node2:30053", protocol="UDP", attempts=20).paths

    hops = [hop for path in paths for leg in path.legs for hop in leg.hops]
    assert OTHERS_PORT not in {address.port for hop in hops for address in ends(hop)}
    assert {len(path.legs) for path in paths} == {2}


def test_a_rule_of_another_familys_table_is_named_with_its_text(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")
    cluster.exec("node2", ["nft", "-f", "-"], stdin=FIREWALL, check=True)

    (path,) = cluster.trace("client", "node2:30080").paths

    assert path.legs[0].end.fate is Fate.DROPPED
    assert path.legs[0].end.rule == 'tcp dport 80 drop comment "no web here"'
    assert path.verdict == "timed out: node2 dropped the packet in FORWARD: no web here"


def test_a_node_that_does_not_forward_is_not_said_to_have_taken_the_packet(lab: LabFactory) -> None:
    cluster = lab(SCENARIOS / "nodeport-cluster.yaml")
    cluster.exec("node2", ["sysctl", "-qw", "net.ipv4.ip_forward=0"], check=True)

    (path,) = cluster.trace("client", "node2:30080").paths

    end = path.legs[0].end
    assert (end.fate, end.host) == (Fate.LOST, "node2")
    assert end.reason.startswith("after KUBE-SEP-")
    assert "InAddrErrors of node2 has grown" in end.reason


def test_packets_that_a_capture_could_not_keep_are_told_of() -> None:
    async def flooded() -> list[str]:
        loop = asyncio.get_running_loop()
        with hosts() as pair:
            client = Host(name="client", kind=HostKind.CLIENT, addresses=frozenset())
            sock = pair.client.socket(socket.AF_INET, socket.SOCK_DGRAM)
            with sock, Watch([(client, pair.client)], loop) as watch:
                for _ in range(25_000):
                    sock.sendto(b"", ("127.0.0.1", 9))
                watch.taken()
                return watch.notes

    (note,) = asyncio.run(flooded())

    assert note == "more packets crossed client than could be kept; some are missing"
