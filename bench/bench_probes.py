"""Probes a second: all pairs of a star of hosts, labkit's engine beside bare epoll and nsenter.

Every way asks the same hosts in the same namespaces, in turns; the medians are printed. "bare
epoll" is the least that Python can do, "a process per probe" is what a script would do.

Usage: python bench/bench_probes.py [--hosts 30] [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from bench.bare_epoll import BareEpoll
from labkit.cluster.model import (
    Client,
    Cluster,
    Container,
    ContainerPort,
    KubeProxy,
    Network,
    ObjectName,
    Pod,
    Protocol,
)
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World
from labkit.lab.loop import LoopThread
from labkit.probe.attempt import Attempt
from labkit.probe.engine import AsyncioEngine
from labkit.probe.flow import Outcome
from labkit.probe.responder import Responders

PORT: Final = 80
BARE_PORT: Final = 81
PROCESSES: Final = 40
"""A process per probe is so slow that a few tell enough."""
PROGRAM: Final = (
    "exec 3<>/dev/tcp/$0/$1;"
    ' printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; read -r line <&3; echo "$line"'
)


@dataclass(frozen=True)
class Star:
    """The hosts, and every ordered pair of them, shuffled."""

    namespaces: Sequence[Namespace]
    addresses: Sequence[IPv4Address]
    pairs: Sequence[tuple[int, int]]


def star_cluster(hosts: int) -> Cluster:
    """So many clients on one LAN, and nothing else."""
    lan = IPv4Network("10.0.0.0/16")
    return Cluster(
        name="bench",
        dataplane="none",
        network=Network(
            lan=lan,
            gateway=lan.broadcast_address - 1,
            pod_cidr=IPv4Network("10.244.0.0/16"),
            service_cidr=IPv4Network("10.96.0.0/12"),
        ),
        kube_proxy=KubeProxy(cluster_cidr=None),
        nodes=(),
        clients=tuple(Client(name=f"h{n}", address=lan[n]) for n in range(1, hosts + 1)),
    )


def responder_pod(name: str, address: IPv4Address) -> Pod:
    """A responder of TCP and UDP for a host."""
    ports = tuple(ContainerPort(port=PORT, protocol=kind) for kind in (Protocol.TCP, Protocol.UDP))
    return Pod(
        key=ObjectName("default", name),
        node=name,
        address=address,
        containers=(Container(name="c", ports=ports),),
    )


def labkit_way(loop: LoopThread, star: Star, protocol: Protocol) -> Callable[[], int]:
    """All pairs by labkit's engine; the responders run on the same loop."""
    engine = AsyncioEngine()
    attempts = [
        Attempt(
            namespace=star.namespaces[source],
            address=star.addresses[target],
            port=PORT,
            protocol=protocol,
        )
        for source, target in star.pairs
    ]

    def run() -> int:
        answers = loop.run(engine.probe(attempts))
        wrong = [answer for answer in answers if answer.outcome is not Outcome.CONNECTED]
        if wrong:
            raise SystemExit(f"{len(wrong)} probes failed, the first: {wrong[0]}")
        return len(answers)

    return run


def bare_way(bare: BareEpoll, star: Star) -> Callable[[], int]:
    """All pairs by bare epoll, which answers itself too."""
    pairs = [(source, str(star.addresses[target])) for source, target in star.pairs]

    def run() -> int:
        bare.run(pairs)
        return len(pairs)

    return run


def process_way(star: Star) -> Callable[[], int]:
    """A few pairs, each by a shell that nsenter starts; labkit's responders answer."""

    def run() -> int:
        for source, target in star.pairs[:PROCESSES]:
            fd = star.namespaces[source].fd
            done = subprocess.run(
                [
                    *("nsenter", f"--net=/proc/{os.getpid()}/fd/{fd}", "bash", "-c", PROGRAM),
                    *(str(star.addresses[target]), str(PORT)),
                ],
                check=True,
                stdout=subprocess.PIPE,
            )
            if not done.stdout.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"nsenter: no answer, found {done.stdout!r}")
        return PROCESSES

    return run


def measure(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """Median of probes a second, each way once a round, after one round to get warm."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, run in ways.items():
            started = time.perf_counter()
            count = run()
            if number:
                rates[name].append(count / (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in rates.items()}


def report(rates: dict[str, float], base: str) -> None:
    """Print the table that docs/performance.md shows."""
    print("| all pairs | probes a second | beside labkit, TCP |")
    print("|---|---:|---:|")
    for name, rate in rates.items():
        ratio = (
            f"{rate / rates[base]:.3f}" if rate < rates[base] / 10 else f"{rate / rates[base]:.2f}"
        )
        print(f"| {name} | {rate:,.0f} | {ratio} |")


async def start(responders: Responders, cluster: Cluster, star: Star) -> None:
    """Start a responder in every host."""
    for client, namespace in zip(cluster.clients, star.namespaces, strict=True):
        await responders.start_pod(responder_pod(client.name, client.address), namespace)


def main() -> None:
    """Build the star, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    cluster = star_cluster(options.hosts)
    pairs = [(a, b) for a in range(options.hosts) for b in range(options.hosts) if a != b]
    random.Random(1).shuffle(pairs)  # noqa: S311 - an order, no secret
    with Edge() as edge, World(edge, cluster) as world, LoopThread("bench") as loop:
        namespaces = [world.host(client.name) for client in cluster.clients]
        star = Star(namespaces, [client.address for client in cluster.clients], pairs)
        responders = Responders()
        bare = BareEpoll(namespaces, BARE_PORT)
        try:
            loop.run(start(responders, cluster, star))
            ways = {
                "labkit, TCP": labkit_way(loop, star, Protocol.TCP),
                "labkit, UDP": labkit_way(loop, star, Protocol.UDP),
                "bare `select.epoll`, TCP": bare_way(bare, star),
                "`nsenter` and a shell per probe, TCP": process_way(star),
            }
            report(measure(ways, options.rounds), "labkit, TCP")
        finally:
            bare.close()
            loop.run(responders.close())


if __name__ == "__main__":
    main()
