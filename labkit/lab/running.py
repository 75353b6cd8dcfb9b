"""What a cluster owns while it runs: namespaces, rules, responders, programs, the event loop."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from labkit.cluster.host_names import HostNames, host_names
from labkit.cluster.model import Cluster, Node, Pod
from labkit.dataplane import data_plane
from labkit.dataplane.base import DataPlane
from labkit.dataplane.dump.apply import DumpPlane
from labkit.dataplane.dump.parse import NodeDump
from labkit.dataplane.iptables.apply import Backend
from labkit.errors import LabError
from labkit.kernel.features import require
from labkit.kernel.hosts_file import machine_hosts
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.open_files import room_for_sockets
from labkit.kernel.world import World
from labkit.lab.dumps import rules_source
from labkit.lab.installation import Installation
from labkit.lab.loop import LoopThread
from labkit.lab.programs import Program
from labkit.lab.real_kube_proxy import Chosen
from labkit.manifest.difference import fresh
from labkit.probe.engine import ANSWER_TIMEOUT_S, MAX_OPEN, AsyncioEngine, Probes
from labkit.probe.flow import Answer, Flow, Observation
from labkit.probe.foreseen import Foreseen, Patience, observe_foreseen
from labkit.probe.in_turn import InTurn
from labkit.probe.observe import ATTEMPTS, observe, tally_of
from labkit.probe.responder import Responders
from labkit.probe.second_look import SecondLook


class Running:
    """A cluster in the kernel. `change` makes it another cluster; closing it frees everything."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        seed: int,
        iptables: Backend | None = None,
        dumps: Mapping[str, NodeDump] | None = None,
        kube_proxy: Chosen | None = None,
        plane: DataPlane[Any] | None = None,
    ) -> None:
        """Build a cluster.

        Args:
            cluster: what to build.
            seed: of the order of probes.
            iptables: which iptables to use; None for what the kernel has.
            dumps: nodes that get the rules of real ones.
            kube_proxy: the real one, for that data plane.
            plane: the data plane of all others; None for the cluster's.
        """
        self.cluster = cluster
        self._dumps = dumps or {}
        self._pods = {pod.name: pod for pod in cluster.pods}
        self._random = random.Random(seed)  # noqa: S311 - order of probes, no secret
        self._programs: dict[str, list[Program]] = {}
        self._to_come = 0
        """Attempts of flows whose turn has not come."""
        with ExitStack() as stack:
            self._edge = stack.enter_context(Edge())
            self._names = self._name_hosts(None)
            self._loop = stack.enter_context(LoopThread(f"labkit {cluster.name}"))
            self._world = stack.enter_context(World(self._edge, cluster))
            self._responders = Responders()
            stack.callback(lambda: self._loop.run(self._responders.close()))
            stack.callback(self._end_programs)
            self._probing = AsyncioEngine(seed=seed)
            self._engine = SecondLook(
                self._probing,
                lambda silent: self._installation.confused(self.cluster, silent),
            )
            hosting = kube_proxy.hosting(self._loop) if kube_proxy else None
            plane = plane or data_plane(cluster.dataplane, backend=iptables, hosting=hosting)
            stack.callback(plane.close)
            own = {
                node: DumpPlane(dump=dump, backend=iptables) for node, dump in self._dumps.items()
            }
            self._installation = self._install(plane, own)
            self._start(cluster.pods)
            self._serve_health_checks()
            self._stack = stack.pop_all()

    def _install(self, plane: DataPlane[Any], own: Mapping[str, DumpPlane]) -> Installation:
        """Install the first rules. What goes wrong is told by what the kernel lacks, if it does."""
        needs = {need for each in (plane, *own.values()) for need in each.needs}
        try:
            fitted = {node: each.fitted(self._world.fabric) for node, each in own.items()}
            plane = plane.fitted(self._world.fabric)
            installation = Installation(plane, self.namespace, fitted)
            installation.prepare(self.cluster)
            installation.install(self.cluster)
        except LabError:
            require(self._edge, sorted(needs))
            raise
        return installation

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def namespace(self, host: str) -> Namespace:
        """The namespace of a client, node or pod."""
        return self._world.host(host)

    def change(self, cluster: Cluster) -> None:
        """Make the running lab the given cluster: pods first, then rules, as a real one does.

        Raises:
            LabError: it cannot become that; it is what it was before.
        """
        before = self.cluster
        try:
            self._become(cluster)
        except BaseException:
            self._become(before)
            raise

    def sync(self) -> None:
        """Read what every node holds, and put back what is missing of its rules.

        Raises:
            LabError: the rules were refused, or cannot be read.
        """
        self._installation.distrust()
        self.change(self.cluster)

    def serve(self, cluster: Cluster) -> None:
        """Install the rules of another cluster on these hosts; what it lacks of them idles.

        That costs the rules alone, where `change` also makes and ends pods.

        Raises:
            LabError: the rules were refused; the next ones are installed from nothing.
        """
        self.cluster = cluster
        self._installation.prepare(cluster)
        self._installation.install(cluster)
        self._serve_health_checks()

    def _become(self, cluster: Cluster) -> None:
        """Change what is another: pods that stay are the same objects, and cost nothing."""
        came = {pod.name: pod for pod in fresh(self._pods.values(), cluster.pods)}
        for pod in fresh(cluster.pods, [*self._pods.values()]):
            after = came.get(pod.name)
            if after and _same_place(pod, after):
                self._pods[pod.name] = after
            else:
                self._stop(pod)
        self.cluster = cluster
        self._names = self._name_hosts(self._names)
        self._start([pod for pod in came.values() if pod.name not in self._pods])
        self._installation.install(cluster)
        self._installation.clean_up(cluster)
        self._serve_health_checks()

    def _name_hosts(self, before: HostNames | None) -> HostNames:
        names = host_names(self.cluster, machine_hosts(), before)
        if before is None or names.text != before.text:
            self._edge.name_hosts(names.text)
        return names

    def observe(self, flows: Sequence[Flow], *, attempts: int | None) -> list[Observation]:
        """Probe flows, all at once, and return what was seen in the order of ``flows``."""
        return self._loop.run(self.observing(flows, attempts=attempts))

    async def observing(self, flows: Sequence[Flow], *, attempts: int | None) -> list[Observation]:
        """`observe` for work that is on the loop already."""
        return await observe(
            self._engine,
            self.cluster,
            self.namespace,
            flows,
            attempts=attempts,
            rng=self._random,
        )

    def observe_in_turn(
        self, flows: Iterable[Flow], *, count: int, attempts: int | None
    ) -> Generator[Observation, None, None]:
        """Probe very many flows and yield what was seen of each, in the order of ``flows``.

        Args:
            flows: what to ask; taken when its turn comes.
            count: how many there are, for `probes` to tell how many are to come.
            attempts: as for `observe`.
        """
        each = ATTEMPTS if attempts is None else attempts
        seen = InTurn(
            lambda batch: self._taking(batch, each, attempts),
            flows,
            attempts=each,
            most=room_for_sockets(MAX_OPEN),
        )
        self._to_come = count * each
        try:
            while batch := self._loop.run(seen.some()):
                yield from batch
        finally:
            self._to_come = 0
            self._loop.run(seen.close())

    async def _taking(
        self, flows: Sequence[Flow], each: int, attempts: int | None
    ) -> Sequence[Observation]:
        """Observe flows whose attempts are then no more to come."""
        self._to_come -= len(flows) * each
        return await self.observing(flows, attempts=attempts)

    async def attempting(self, flow: Flow) -> Answer:
        """Make one attempt of a flow, for work that is on the loop already."""
        attempt = tally_of(self.cluster, self.namespace, flow).attempt
        (answer,) = await self._engine.probe([attempt], timeout_s=ANSWER_TIMEOUT_S)
        return answer

    def observe_foreseen(
        self, asked: Sequence[Foreseen], *, patience: Patience
    ) -> list[Observation]:
        """Probe flows until they have shown what was foreseen, or something else."""
        return self._loop.run(
            observe_foreseen(
                self._engine,
                self.cluster,
                self.namespace,
                asked,
                rng=self._random,
                patience=patience,
            )
        )

    @property
    def probes(self) -> Probes:
        """How many probes there were so far; those that are to come count as asked for."""
        asked, answered = self._probing.probes
        return Probes(asked + self._to_come, answered)

    @property
    def loop(self) -> LoopThread:
        """The loop that everything of this lab runs on."""
        return self._loop

    @property
    def rules_source(self) -> str:
        """Where the nodes' rules came from, in words."""
        cluster = self.cluster
        return rules_source(cluster.dataplane, self._dumps, cluster.real_kube_proxy)

    def rules(self, node: str) -> str:
        """A node's rules as text."""
        return self._installation.text(node)

    def logs(self) -> Mapping[str, str]:
        """What every program has printed so far, by ``pod/container``, the data plane's too."""
        programs = [each for programs in self._programs.values() for each in programs]
        return {each.where: each.log() for each in programs} | dict(self._installation.logs())

    def _start(self, pods: Sequence[Pod]) -> None:
        """Give pods that are not there yet their namespaces, and all of them their servers."""
        for pod in pods:
            if pod.name not in self._pods:
                self._world.add_pod(pod)
                self._pods[pod.name] = pod
        self._loop.run(self._start_responders(pods))
        started = [program for pod in pods for program in self._run_commands(pod)]
        for program in started:
            program.wait_until_it_listens()

    async def _start_responders(self, pods: Sequence[Pod]) -> None:
        for pod in pods:
            await self._responders.start_pod(pod, self.namespace(pod.name))

    def _run_commands(self, pod: Pod) -> list[Program]:
        programs = self._programs.setdefault(pod.name, [])
        for container in pod.containers:
            if container.command:
                programs.append(Program(pod, container, self.namespace(pod.name)))
        return programs

    def _stop(self, pod: Pod) -> None:
        for program in self._programs.pop(pod.name, []):
            program.close()
        self._loop.run(self._responders.stop_pod(pod.name))
        self._world.remove_pod(pod.name)
        del self._pods[pod.name]

    def _end_programs(self) -> None:
        for programs in self._programs.values():
            for program in programs:
                program.close()

    def _serve_health_checks(self) -> None:
        self._loop.run(self._health_checks(self.cluster.nodes))

    async def _health_checks(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            checks = self._installation.health_checks(self.cluster, node)
            await self._responders.set_health_checks(node.name, self.namespace(node.name), checks)


def _same_place(before: Pod, after: Pod) -> bool:
    """Whether a pod may go on as it is: readiness and labels change only what others see."""
    return (before.node, before.address, before.containers) == (
        after.node,
        after.address,
        after.containers,
    )
