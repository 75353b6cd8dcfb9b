"""Set-up of a lab: labkit's World beside the least that it can cost, `ip -batch` and Mininet.

Every way makes a star of hosts, in turns; medians are printed with the fastest and the slowest.
"netlink floor" is bench/netlink_floor.py: what the kernel itself needs. labkit also makes routes
between nodes, hairpin ports and sysctls, and waits until links carry packets. Mininet runs where
it is installed (Debian packages mininet and bridge-utils). Nothing touches the machine's network.

Usage: python bench/bench_setup.py [--pods 100 500] [--rounds 5] [--nodes 20] [--slow-up-to 100]
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Final

from bench.bench_probes import star_cluster
from bench.netlink_floor import Floor
from labkit.cluster.model import Cluster, Node, ObjectName, Pod
from labkit.kernel.netlink import DELLINK, HEADER, Veth, open_netlink, send
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World

SYSTEM_PYTHON: Final = "/usr/bin/python3"
"""Debian's Mininet is installed for it."""
OTHERS: Final = Path(__file__).with_name("other_stars.py")
ALONE: Final = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
RTMGRP_LINK: Final = 1
Way = Callable[[], float]


def pod_cluster(nodes: int, pods: int) -> Cluster:
    """So many pods, evenly on so many nodes."""
    names = [f"node{number}" for number in range(nodes)]
    empty = star_cluster(0)
    lan = empty.network.lan
    cidrs = list(IPv4Network("10.128.0.0/9").subnets(new_prefix=20))
    return replace(
        empty,
        nodes=tuple(
            Node(name=name, address=lan[number + 1], pod_cidr=cidrs[number])
            for number, name in enumerate(names)
        ),
        pods=tuple(
            Pod(
                key=ObjectName("default", f"pod{number}"),
                node=names[number % nodes],
                address=cidrs[number % nodes][number // nodes + 2],
                interface=f"veth-{number}",
            )
            for number in range(pods)
        ),
    )


def labkit_way(nodes: int, pods: int) -> Way:
    """Seconds of labkit's set-up, with its thread, and of closing it."""
    cluster = pod_cluster(nodes, pods)

    def run() -> float:
        started = time.perf_counter()
        with Edge() as edge, World(edge, cluster):
            return time.perf_counter() - started

    return run


def floor_way(nodes: int, pods: int) -> Way:
    """Seconds of the floor's set-up."""

    def run() -> float:
        started = time.perf_counter()
        with closing(Floor(nodes, pods)):
            return time.perf_counter() - started

    return run


def other_way(way: str, hosts: int) -> Way:
    """Seconds that another tool says it took, in a process of its own."""
    command = [*ALONE, SYSTEM_PYTHON, str(OTHERS), way, str(hosts)]

    def run() -> float:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout.rsplit(maxsplit=1)[-1])

    return run


def has_mininet() -> bool:
    """Whether Mininet and the brctl that it needs are there."""
    probe = "import mininet, shutil; raise SystemExit(shutil.which('brctl') is None)"
    done = subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False)
    return done.returncode == 0


def ways(pods: int, nodes: int, *, slow: bool) -> Iterator[tuple[str, Way]]:
    """Everybody who takes part, each behind the measure for it."""
    yield f"netlink floor, {nodes} nodes", floor_way(nodes, pods)
    yield f"labkit, {nodes} nodes", labkit_way(nodes, pods)
    yield "netlink floor, one node", floor_way(1, pods)
    yield "labkit, one node", labkit_way(1, pods)
    if slow:
        yield "`ip -batch`", other_way("ip-batch", pods)
        if has_mininet():
            yield "Mininet, Linux bridge", other_way("mininet", pods)


def settle(edge: Edge) -> None:
    """Wait until the kernel has taken down what was closed: it does so later, batch by batch.

    A namespace that is closed last takes a link with it whose other end is watched here. The
    second one is in a later batch, which the kernel begins when it is done with the first.
    """
    for _ in range(2):
        watcher, last = edge.namespace("watcher"), edge.namespace("last")
        with watcher.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as watch:
            watch.bind((0, RTMGRP_LINK))
            add_link(last, Veth(name="link", namespace_fd=watcher.fd))
            last.close()
            while HEADER.unpack_from(watch.recv(1 << 16))[1] != DELLINK:
                pass
        watcher.close()


def add_link(namespace: Namespace, link: Veth) -> None:
    """Make a veth pair."""

    def add() -> None:
        with open_netlink() as sock:
            send(sock, [link.request()], where=namespace.name)

    namespace.run(add)


def measure(taking_part: dict[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, each once a round."""
    seconds: dict[str, list[float]] = {name: [] for name in taking_part}
    with Edge() as edge:
        for _ in range(rounds):
            for name, run in taking_part.items():
                seconds[name].append(run())
                settle(edge)
    return seconds


def report(pods: int, seconds: dict[str, list[float]]) -> None:
    """Print the rows of one size; the ratio is the median of the rounds' ratios.

    A round's turns are next to each other in time, so a busy machine slows both alike.
    """
    floor: list[float] = []
    for name, values in seconds.items():
        if "floor" in name:
            floor = values
        ratio = statistics.median(own / least for own, least in zip(values, floor, strict=True))
        median, spread = statistics.median(values), f"{min(values):.3f}-{max(values):.3f}"
        print(f"| {pods:,} | {name} | {median:.3f} | {spread} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Measure every size and print the table that docs/performance.md shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-up-to", type=int, default=100, metavar="PODS")
    options = parser.parse_args()
    print("| pods | way | seconds, median | fastest-slowest | beside the floor |")
    print("|---:|---|---:|---:|---:|")
    for pods in options.pods:
        slow = pods <= options.slow_up_to
        taking_part = dict(ways(pods, options.nodes, slow=slow))
        report(pods, measure(taking_part, options.rounds))


if __name__ == "__main__":
    main()
