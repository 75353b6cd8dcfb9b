"""All pairs of hosts on one LAN, asked by everybody who can."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from labkit.bench.contest import Case, Contestant, Notebook, Rounds, Tell, Turn, chosen
from labkit.bench.lab.clusters import PORT, star_cluster
from labkit.bench.lab.tools import STAR, TOOLS, python_with, run_alone
from labkit.bench.probe.ask import Ask
from labkit.bench.probe.bare_asyncio import BareAsyncio
from labkit.bench.probe.bare_epoll import BareEpoll
from labkit.bench.probe.metrics import LABELS, MEASURE, Metrics
from labkit.bench.results import Metric
from labkit.cluster.model import Container, ContainerPort, Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.errors import LabError
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.world import World
from labkit.lab.loop import LoopThread
from labkit.probe.attempt import Attempt
from labkit.probe.engine import AsyncioEngine
from labkit.probe.flow import Outcome
from labkit.probe.responder import Responders

EPOLL_PORT, ASYNCIO_PORT = 81, 82
PROCESSES: Final = 40
"""A process for each probe is so slow that a few tell enough."""
PROGRAM: Final = (
    "exec 3<>/dev/tcp/$0/$1;"
    ' printf "GET / HTTP/1.0\\r\\n\\r\\n" >&3; read -r line <&3; echo "$line"'
)
SECONDS: Final[Mapping[str, float]] = {"process": 0.3, "mininet": 5.0}
USUAL_SECONDS: Final = 0.2
METRICS: Final = Metrics("all pairs")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsCell:
    """Every host asks every other one."""

    hosts: int
    only: tuple[str, ...]
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        turns = self.rounds.count + self.rounds.warm_up
        return turns * sum(map(_weight, chosen(tuple(LABELS), self.only)))

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Build the hosts once, and do all rounds in them."""
        cluster = star_cluster(self.hosts)
        with ExitStack() as stack:
            edge = stack.enter_context(Edge())
            world = stack.enter_context(World(edge, cluster))
            loop = stack.enter_context(LoopThread("bench"))
            star = Star(
                [world.host(client.name) for client in cluster.clients],
                [client.address for client in cluster.clients],
                _pairs(self.hosts, self.rounds.seed),
            )
            ways = Ways(star, loop, stack)
            contestants = list(self._contestants(ways, notebook))
            self.rounds.play(Case(size=len(star.pairs)), contestants, notebook, tell=tell)

    def _contestants(self, ways: Ways, notebook: Notebook) -> Iterator[Contestant]:
        turns: Mapping[str, Turn] = {
            "epoll": ways.by_epoll,
            "labkit": lambda: ways.by_labkit(Protocol.TCP),
            "udp": lambda: ways.by_labkit(Protocol.UDP),
            "asyncio": ways.by_asyncio,
            "process": ways.by_process,
            "mininet": self._by_mininet,
        }
        for name in chosen(tuple(LABELS), self.only):
            if name in TOOLS and python_with(name) is None:
                notebook.leave_out(name, f"it is not installed; {TOOLS[name].remedy}")
                continue
            yield Contestant(
                name=name,
                label=LABELS[name],
                turn=turns[name],
                beside=MEASURE,
                weight=_weight(name),
            )

    def _by_mininet(self) -> Mapping[Metric, float]:
        found = run_alone(python_with("mininet") or "", STAR, ("ping-all", str(self.hosts), "1"))
        return {METRICS.rate: found["a second"]}


@dataclass(frozen=True)
class Star:
    """The hosts, and every ordered pair of them, shuffled."""

    namespaces: Sequence[Namespace]
    addresses: Sequence[IPv4Address]
    pairs: Sequence[tuple[int, int]]

    def asks(self, port: int) -> list[Ask]:
        """The questions of bare clients."""
        return [
            Ask(self.namespaces[source], str(self.addresses[target]), port)
            for source, target in self.pairs
        ]


class Ways:
    """How the pairs are asked; what a way needs is there for all rounds, until the stack ends."""

    def __init__(self, star: Star, loop: LoopThread, stack: ExitStack) -> None:
        self._star = star
        self._loop = loop
        self._engine = AsyncioEngine()
        self._epoll = BareEpoll(star.namespaces, EPOLL_PORT)
        stack.callback(self._epoll.close)
        self._asyncio = BareAsyncio(star.namespaces, ASYNCIO_PORT)
        stack.callback(self._asyncio.close)
        self._responders = Responders()
        stack.callback(lambda: loop.run(self._responders.close()))
        loop.run(self._start())

    def by_epoll(self) -> Mapping[Metric, float]:
        """The least that Python can do."""
        asks = self._star.asks(EPOLL_PORT)
        return METRICS.of(lambda: self._epoll.run(asks))

    def by_asyncio(self) -> Mapping[Metric, float]:
        """What asyncio's own calls make of it."""
        asks = self._star.asks(ASYNCIO_PORT)
        return METRICS.of(lambda: self._asyncio.run(asks))

    def by_labkit(self, protocol: Protocol) -> Mapping[Metric, float]:
        """All pairs by labkit's engine; the responders run on the same loop."""
        attempts = [
            Attempt(
                namespace=self._star.namespaces[source],
                address=self._star.addresses[target],
                port=PORT,
                protocol=protocol,
            )
            for source, target in self._star.pairs
        ]

        def ask() -> Sequence[float]:
            answers = self._loop.run(self._engine.probe(attempts))
            wrong = [answer for answer in answers if answer.outcome is not Outcome.CONNECTED]
            if wrong:
                raise LabError(f"{len(wrong)} probes failed, the first: {wrong[0].outcome}")
            return [answer.elapsed_s for answer in answers]

        return METRICS.of(ask)

    def by_process(self) -> Mapping[Metric, float]:
        """A few pairs, each by a shell that nsenter starts; labkit's responders answer."""
        return METRICS.of(lambda: [self._processed(*pair) for pair in self._star.pairs[:PROCESSES]])

    def _processed(self, source: int, target: int) -> float:
        began = time.perf_counter()
        entered = f"--net=/proc/{os.getpid()}/fd/{self._star.namespaces[source].fd}"
        where = (str(self._star.addresses[target]), str(PORT))
        done = subprocess.run(
            ["nsenter", entered, "bash", "-c", PROGRAM, *where], capture_output=True, check=False
        )
        if not done.stdout.startswith(b"HTTP/1.1 200"):
            said = done.stderr.decode(errors="replace").strip()
            raise LabError(f"nsenter and a shell got no answer: {said or done.stdout!r}")
        return time.perf_counter() - began

    async def _start(self) -> None:
        for namespace, address in zip(self._star.namespaces, self._star.addresses, strict=True):
            await self._responders.start_pod(_responder(namespace.name, address), namespace)


def _weight(name: str) -> float:
    return SECONDS.get(name, USUAL_SECONDS)


def _pairs(hosts: int, seed: int) -> list[tuple[int, int]]:
    pairs = [(a, b) for a in range(hosts) for b in range(hosts) if a != b]
    random.Random(seed).shuffle(pairs)  # noqa: S311 - an order, no secret
    return pairs


def _responder(name: str, address: IPv4Address) -> Pod:
    """A responder of TCP and UDP for a host."""
    ports = tuple(ContainerPort(port=PORT, protocol=kind) for kind in (Protocol.TCP, Protocol.UDP))
    return Pod(
        key=ObjectName("default", name),
        node=name,
        address=address,
        containers=(Container(name="c", ports=ports),),
    )
