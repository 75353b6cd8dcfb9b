"""So many Services, under every data plane of one kernel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from labkit.bench.contest import Case, Contestant, GivenUp, Notebook, Rounds, Tell
from labkit.bench.lab.settle import settle
from labkit.bench.results import Metric
from labkit.bench.sync.connect import connect_s, listening
from labkit.bench.sync.planes import Plane
from labkit.bench.sync.services import (
    CALLER,
    PORT,
    service_cluster,
    under,
    with_another_endpoint,
    with_one_more,
    without_services,
)
from labkit.bench.sync.timed import Timed, Times
from labkit.cluster.model import Cluster, Service
from labkit.dataplane import data_plane
from labkit.dataplane.base import DataPlane
from labkit.dataplane.nftables.rules import NftRuleset
from labkit.errors import LabError, MissingFeature
from labkit.kernel.features import require
from labkit.kernel.netns import Edge
from labkit.kernel.together import Tool, run_together
from labkit.lab.real_kube_proxy import Chosen
from labkit.lab.running import Running

RENDER: Final = Metric("render", "s")
APPLY: Final = Metric("apply", "s")
INSTALL: Final = Metric("install", "s")
"""Render and apply together; of a kube-proxy, until it has done what it was told."""
ADDED: Final = Metric("a Service added", "s")
CHANGED: Final = Metric("an endpoint changed", "s")
DIRECT: Final = Metric("connect, the pod itself", "s")
PLACES: Final[Mapping[Metric, Callable[[int], int]]] = {
    Metric("connect, first Service", "s"): lambda _: 0,
    Metric("connect, middle Service", "s"): lambda count: count // 2,
    Metric("connect, last Service", "s"): lambda count: count - 1,
}
KERNEL: Final = Metric("memory of the kernel (Slab, Percpu, VmallocUsed)", "bytes")
START_S: Final = 0.7
SECONDS_A_SERVICE: Final[Mapping[str, float]] = {"nftables": 0.002, "ipvs": 0.003}
USUAL_SECONDS_A_SERVICE: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCell:
    """So many Services with three endpoints each, on one node."""

    services: int
    planes: tuple[Plane, ...]
    """Those that take turns: all that one kernel is asked for."""
    kube_proxy: Path | None
    connects: int
    """Connections whose median is one number."""
    rounds: Rounds

    @property
    def weight(self) -> float:
        """Seconds, roughly."""
        each = sum(self._weight(plane) * (1 + bool(plane.tool)) for plane in self.planes)
        return self.rounds.count * each

    def measure(self, notebook: Notebook, tell: Tell) -> None:
        """Do all rounds; the kernel's tear-down is awaited in between."""
        cluster = service_cluster(self.services, seed=self.rounds.seed)
        with Edge() as edge:
            contestants = [
                each
                for plane in self._possible(edge, notebook)
                for each in self._contestants(plane, cluster)
            ]
            self.rounds.play(
                Case(size=self.services),
                contestants,
                notebook,
                tell=tell,
                between=lambda: settle(edge),
            )

    def _possible(self, edge: Edge, notebook: Notebook) -> list[Plane]:
        """The data planes that this kernel has.

        Raises:
            MissingFeature: it has none of them.
        """
        lacking: MissingFeature | None = None
        found: list[Plane] = []
        for plane in self.planes:
            try:
                require(edge, plane.needs)
            except MissingFeature as missing:
                notebook.leave_out(plane.name, str(missing))
                lacking = missing
            else:
                found.append(plane)
        if lacking and not found:
            raise lacking
        return found

    def _weight(self, plane: Plane) -> float:
        a_service = SECONDS_A_SERVICE.get(plane.dataplane, USUAL_SECONDS_A_SERVICE)
        return START_S + a_service * self.services

    def _contestants(self, plane: Plane, cluster: Cluster) -> Iterator[Contestant]:
        weight = self._weight(plane)
        if plane.dataplane == "kube-proxy":
            chosen = _chosen(self.kube_proxy, plane.proxy_mode)
            told = under(cluster, plane.dataplane, chosen.identity)
            turn = lambda: self._real_turn(chosen, told)  # noqa: E731 - one line, for one place
            yield Contestant(name=plane.name, label=plane.label, turn=turn, weight=weight)
            return
        wanted = under(cluster, plane.dataplane)
        beside = f"{plane.name} by hand" if plane.tool else ""
        yield Contestant(
            name=plane.name,
            label=plane.label,
            turn=lambda: self._turn(plane, wanted),
            beside=beside,
            weight=weight,
        )
        if plane.tool:
            text = _text(plane, wanted)
            yield Contestant(
                name=beside,
                label=plane.by_hand,
                turn=lambda: _by_hand(plane, text),
                weight=weight,
            )

    def _turn(self, plane: Plane, cluster: Cluster) -> Mapping[Metric, float]:
        times = Times()
        timed = Timed(_data_plane(plane), times)
        with Running(cluster, seed=self.rounds.seed, plane=timed) as running:
            first = {
                RENDER: times.render_s,
                APPLY: times.apply_s,
                INSTALL: times.render_s + times.apply_s,
                KERNEL: float(times.kernel_bytes),
            }
            return {**first, **self._afterwards(running, cluster)}

    def _real_turn(self, chosen: Chosen, cluster: Cluster) -> Mapping[Metric, float]:
        try:
            with Running(
                without_services(cluster), seed=self.rounds.seed, kube_proxy=chosen
            ) as running:
                installed = {INSTALL: _served_s(running, cluster)}
                return {**installed, **self._afterwards(running, cluster)}
        except LabError as error:
            raise GivenUp(str(error).partition("\n")[0]) from error

    def _afterwards(self, running: Running, cluster: Cluster) -> Mapping[Metric, float]:
        """What it costs to go through the rules, and to change them."""
        pods = [running.namespace(pod.name) for pod in cluster.pods if pod.name != CALLER]
        with listening(pods, PORT), _told(cluster):
            found = self._connects(running, cluster)
            more = with_one_more(cluster)
            found[ADDED] = _served_s(running, more)
            # What was not installed cannot be reached, and would have cost nothing.
            self._connect(running, more.services[-1])
            found[CHANGED] = _served_s(running, with_another_endpoint(more))
        return found

    def _connects(self, running: Running, cluster: Cluster) -> dict[Metric, float]:
        caller = running.namespace(CALLER)
        direct = connect_s(caller, cluster.pods[-1].address, PORT, self.connects)
        places = {
            metric: self._connect(running, cluster.services[place(self.services)])
            for metric, place in PLACES.items()
        }
        return {DIRECT: direct, **places}

    def _connect(self, running: Running, service: Service) -> float:
        if service.cluster_ip is None:
            raise LabError(f"Service {service.key} has no address")
        return connect_s(running.namespace(CALLER), service.cluster_ip, PORT, self.connects)


def _served_s(running: Running, cluster: Cluster) -> float:
    """Seconds until the rules of another cluster are there: all that a change takes."""
    began = time.perf_counter()
    running.serve(cluster)
    return time.perf_counter() - began


def _by_hand(plane: Plane, text: str) -> Mapping[Metric, float]:
    """Give the same text to the tool, in a namespace of its own."""
    with Edge() as edge:
        namespace = edge.namespace("by hand")
        _data_plane(plane).fitted(namespace)  # counters that rules name are there before them
        tool = Tool(namespace, plane.tool, text)
        began = time.perf_counter()
        failures = run_together([tool])
        taken = time.perf_counter() - began
        for failure in failures:
            raise failure
    return {APPLY: taken, INSTALL: taken}


def _text(plane: Plane, cluster: Cluster) -> str:
    """The rules as the tool reads them."""
    with Edge() as edge:
        fitted = _data_plane(plane).fitted(edge.namespace("by hand"))
    rendered = fitted.render(cluster, cluster.nodes[0])
    text: str = rendered.nft_text() if isinstance(rendered, NftRuleset) else rendered.text()
    return text


def _data_plane(plane: Plane) -> DataPlane[Any]:
    return data_plane(plane.dataplane, backend=plane.backend)


def _chosen(path: Path | None, mode: str) -> Chosen:
    from labkit.dataplane.kube_proxy.program import find

    return Chosen(program=find(path), mode=mode)


@contextmanager
def _told(cluster: Cluster) -> Iterator[None]:
    """Say of a connection that failed what it was about."""
    try:
        yield
    except OSError as error:
        raise LabError(
            f"{cluster.dataplane}, {len(cluster.services)} Services: a connection failed: {error}"
        ) from error
