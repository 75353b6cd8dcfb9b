"""The public face of a running lab: what tests and the command work with."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from labkit.cluster.build import build_cluster
from labkit.cluster.lookup import host_named, host_names
from labkit.cluster.model import Cluster
from labkit.dataplane.iptables.apply import Backend
from labkit.errors import LabError
from labkit.lab import arguments, targets
from labkit.lab.changes import Changes
from labkit.lab.checks import run_checks
from labkit.lab.completed import Completed, completed
from labkit.lab.dumps import read_dumps, rules_source
from labkit.lab.host import Host, host_among
from labkit.lab.real_kube_proxy import choose
from labkit.lab.running import Running
from labkit.lab.seen import Seen, seen_in
from labkit.lab.source import Source, described
from labkit.lab.tables import Interrupted, table_of
from labkit.lab.targets import Target
from labkit.lab.tracing import Traced, trace
from labkit.manifest.kinds import DATAPLANES, LocatedCheck, Scenario
from labkit.probe.engine import Probes
from labkit.probe.expected import judged_row
from labkit.probe.flow import Flow
from labkit.probe.plan import each_flow
from labkit.probe.table import FlowRow, FlowTable, Sharing, flow_row
from labkit.probe.verdict import CheckResult

REMEMBERED: Final = 8
"""So many flows are remembered."""


class Lab(Changes):
    """A lab: a context manager that owns everything the lab is made of.

    Example::

        with labkit.Lab(nodes=2) as lab:
            lab.add_pod("web-1", node="node1", labels={"app": "web"}, ports=[80])
            lab.add_service("web", selector={"app": "web"}, type="NodePort",
                            ports=[{"port": 80, "nodePort": 30080}])
            seen = lab.probe("client", to=lab.node("node2").port(30080))
            assert seen.client_sources == {"node2"}
    """

    def __init__(  # noqa: PLR0913 - a lab is described in one place
        self,
        source: Source | None = None,
        *,
        nodes: int | Sequence[str] | None = None,
        clients: Sequence[str] | None = None,
        dataplane: str | None = None,
        iptables: Backend | None = None,
        rules: Mapping[str, str | Path] | None = None,
        kube_proxy: str | Path | None = None,
        proxy_mode: str | None = None,
        seed: int = 0,
        **spec: object,
    ) -> None:
        """Describe a lab; entering it builds it.

        Args:
            source: a scenario, its path, or manifests; None for an empty lab.
            nodes: how many nodes, or their names; two if left out; only without ``source``.
            clients: the clients' names; one, ``client``, if left out; only without ``source``.
            dataplane: overrides the Lab's ``dataplane``.
            iptables: which iptables to use, ``nft`` or ``legacy``; None for what the kernel has.
            rules: files that hold what a real node's ``iptables-save``, ``nft list ruleset`` or
                ``ipvsadm -Sn`` and ``ipset save`` printed, by the node that gets those rules
                instead of rendered ones.
            kube_proxy: the program that the data plane ``kube-proxy`` runs in every node; None for
                the one on PATH.
            proxy_mode: its mode, overrides the Lab's ``kubeProxy.mode``.
            seed: of the order of probes.
            **spec: more of the Lab's ``spec``, by its names (``network={...}``,
                ``kubeProxy={...}``); only without ``source``.

        Raises:
            ManifestError: the description is wrong.
            UsageError: an argument is of no use; a file of rules cannot be read, or its node does
                not exist; or the program is no kube-proxy.
            MissingFeature: there is no such program.
        """
        self.scenario = described(source, nodes, clients, spec)
        self._dataplane = arguments.one_of("dataplane", dataplane, DATAPLANES)
        self._iptables = arguments.one_of("iptables", iptables, ("nft", "legacy"))
        self._seed = arguments.of_kind("seed", seed, int, "give a whole number")
        self._kube_proxy = choose(self.scenario, dataplane, kube_proxy, proxy_mode)
        self._cluster = self._built(self.scenario)
        self._dumps = read_dumps(rules or {}, self._cluster)
        self._running: Running | None = None
        self.asked: deque[Flow] = deque(maxlen=REMEMBERED)
        """The flows that were asked for last, for those who look into a failure."""

    def __enter__(self) -> Self:
        if self._running is not None:  # of the fixture, say: one exit will do
            return self
        self._running = Running(
            self._cluster,
            seed=self._seed,
            iptables=self._iptables,
            dumps=self._dumps,
            kube_proxy=self._kube_proxy,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.__exit__(kind, error, trace)

    # --- what there is ---

    @property
    def is_running(self) -> bool:
        """Whether the lab is up: inside its ``with`` block."""
        return self._running is not None

    @property
    def cluster(self) -> Cluster:
        """The desired state, with every address and port."""
        return self._cluster

    def node(self, name: str) -> Host:
        """Return a node by name."""
        return host_among("node", name, self._cluster.node_by_name)

    def client(self, name: str) -> Host:
        """Return a client by name."""
        return host_among("client", name, self._cluster.client_by_name)

    def pod(self, name: str) -> Host:
        """Return a pod by name; ``namespace/name`` outside ``default``."""
        return host_among("pod", name, self._cluster.pod_by_name)

    def rules(self, node: str) -> str:
        """Return the rules of a node: as labkit rendered them, or as kube-proxy made them."""
        self.node(node)
        return self._live.rules(node)

    @property
    def probes(self) -> Probes:
        """How many probes there were so far."""
        return self._live.probes

    @property
    def rules_source(self) -> str:
        """Where the nodes' rules come from, in words."""
        cluster = self._cluster
        return rules_source(cluster.dataplane, self._dumps, cluster.real_kube_proxy)

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command that build the same lab of its file, but for ``--rules``."""
        found = [*(("--iptables", self._iptables) if self._iptables else ())]
        if self._kube_proxy is not None:
            program = str(self._kube_proxy.program.path)
            found += ["--kube-proxy", program, "--proxy-mode", self._kube_proxy.mode]
        return tuple(found)

    def logs(self) -> Mapping[str, str]:
        """Return what the programs in pods have printed so far, by ``pod/container``.

        With a real kube-proxy also what that has, by ``node/kube-proxy``, and its Events.
        """
        return self._live.logs()

    # --- what can be asked ---

    def probe(
        self,
        source: str,
        to: Target | str | Mapping[str, object],
        *,
        protocol: str = "TCP",
        attempts: int | None = None,
    ) -> Seen:
        """Send from a host to a target and return who answered and whom it saw.

        Args:
            source: a client's, node's or pod's name.
            to: a Target, ``"node2:30080"``, ``"my-nginx:http"``, or a Check's ``to`` as a mapping.
            protocol: TCP, UDP or SCTP, in capitals or not; a Target brings its own.
            attempts: how many; None for as many as it takes to see every endpoint.

        Raises:
            UsageError: a name does not exist, or an argument is of no use.
        """
        attempts = arguments.attempts(attempts)
        flow = self._flow(source, to, protocol)
        (observation,) = self._live.observe([flow], attempts=attempts)
        return seen_in(observation)

    def row(
        self,
        source: str,
        to: Target | str | Mapping[str, object],
        *,
        protocol: str = "TCP",
        attempts: int | None = None,
    ) -> FlowRow:
        """Probe one flow and return its row of a flow table: beside what the specification says.

        The arguments and errors are those of `probe`.
        """
        attempts = arguments.attempts(attempts)
        flow = self._flow(source, to, protocol)
        (observation,) = self._live.observe([flow], attempts=attempts)
        return judged_row(self._cluster, flow_row(observation), enough=attempts is None)

    def matrix(
        self, sources: Sequence[str] | None = None, *, attempts: int | None = None
    ) -> FlowTable:
        """Probe every flow and return the flow table, beside what the specification says of it.

        Args:
            sources: hosts' names, or ``["all"]``; None for every client, every node and, per
                Service and node, one endpoint pod and one other pod.
            attempts: per flow; None for as many as it takes to see every endpoint.

        Raises:
            UsageError: a name does not exist, or an argument is of no use.
            Interrupted: a KeyboardInterrupt, with the table of what was done.
        """
        attempts = arguments.attempts(attempts)
        cluster, sources = self._cluster, arguments.sources(sources)
        count, live = sum(1 for _ in each_flow(cluster, sources)), self._live
        seen = live.observe_in_turn(each_flow(cluster, sources), count=count, attempts=attempts)
        rows: list[FlowRow] = []
        sharing = Sharing()
        try:
            with closing(seen):
                for found in seen:
                    row = judged_row(cluster, flow_row(found), enough=attempts is None)
                    rows.append(sharing.row(row))
                    if row.agrees is False:
                        self.asked.append(found.flow)
        except KeyboardInterrupt:
            raise Interrupted(table_of(live, rows, whole=False), planned=count) from None
        return table_of(live, rows)

    def trace(
        self,
        source: str,
        to: Target | str | Mapping[str, object],
        *,
        protocol: str = "TCP",
        attempts: int = 1,
        packets: int | None = None,
    ) -> Traced:
        """Follow the packets of a flow hop by hop, and say which rule did what to them.

        Args:
            source: as for `probe`.
            to: the same.
            protocol: the same.
            attempts: how many, one after the other; those that go the same way are one path.
            packets: how many packets of an attempt to follow; None for those that tell its story:
                the request, the answer, and what a source says to a stranger who answers.

        Raises:
            UsageError: a name does not exist, or an argument is of no use.
        """
        attempts = arguments.whole("attempts", attempts, arguments.ATTEMPTS)
        packets = arguments.packets(packets)
        flow = self._flow(source, to, protocol)
        (traced,) = trace(self._live, [flow], attempts=attempts, packets=packets)
        return traced

    def trace_all(self, asked: Sequence[Flow], *, attempts: int = 1) -> list[Traced]:
        """Follow attempts of each flow; they are watched together, which costs less."""
        return trace(self._live, asked, attempts=attempts)

    def check(self, *checks: LocatedCheck, attempts: int | None = None) -> list[CheckResult]:
        """Run Checks, all at once; without arguments all of the scenario's.

        Args:
            *checks: Checks of a scenario.
            attempts: for Checks that do not say themselves.

        Raises:
            UsageError: an argument is of no use, or a Check names what is not there any more.
        """
        attempts = arguments.attempts(attempts)
        asked = arguments.checks(checks) or self.scenario.checks
        return run_checks(self._live, asked, attempts=attempts)

    def exec(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> Completed:
        """Run a program of this machine in a host's namespaces, to its end.

        Raises:
            CommandError: ``check`` is true and the program exited non-zero.
            UsageError: there is no such host or program, or an argument is of no use.
        """
        host = host_named(self._cluster, host)
        argv, stdin = arguments.command(argv), arguments.text("stdin", stdin)
        done = completed(self._live.namespace(host), argv, stdin=stdin, env=env)
        return done.succeeded(argv, where=host, stdin=stdin) if check else done

    def socket(self, host: str, kind: int = socket.SOCK_STREAM, protocol: int = 0) -> socket.socket:
        """Return an IPv4 socket of a host, for what a probe does not do.

        A connection that stays open while the lab changes, a source port that is used again, a
        packet made by hand (``SOCK_RAW``). It is the caller's, to bind and to close.

        Args:
            host: a client's, node's or pod's name.
            kind: as for `socket.socket`.
            protocol: the same.

        Raises:
            UsageError: there is no such host, or ``kind`` is none.
        """
        host = host_named(self._cluster, host)
        arguments.of_kind("kind", kind, int, "give socket.SOCK_STREAM or another of its kind")
        return self._live.namespace(host).socket(socket.AF_INET, kind, protocol)

    def namespaces(self, host: str) -> tuple[int, int]:
        """Return descriptors of a host's network and mount namespace, for setns(2).

        They are the caller's, to close; while they are open, the host's namespaces stay.

        Raises:
            UsageError: there is no such host.
        """
        host = host_named(self._cluster, host)
        return self._live.namespace(host).duplicates()

    def netns_fds(self) -> Mapping[str, int]:
        """Return the descriptor of each host's network namespace, which stays the lab's own."""
        hosts = host_names(self._cluster)
        return {host: self._live.namespace(host).fd for host in hosts}

    def interrupt(self) -> None:
        """Give up what is being asked of the lab, from another thread: it raises LabError there."""
        if self._running is not None:
            self._running.loop.interrupt()

    # --- what it becomes ---

    def become(self, scenario: Scenario) -> None:
        """Make the lab what another scenario says of pods, Services and EndpointSlices.

        Its nodes, clients and network stay. See `labkit.manifest.load` for scenarios with objects
        added or taken away.

        Raises:
            LabError: it cannot become that; it is what it was before.
        """
        arguments.of_kind("scenario", scenario, Scenario, "give what labkit.load returns")
        cluster = self._built(scenario, previous=self._cluster)
        if self._running is not None:
            self._running.change(cluster)
        self.scenario, self._cluster = scenario, cluster

    # --- how ---

    def _flow(self, source: str, to: Target | str | Mapping[str, object], protocol: str) -> Flow:
        flow = targets.flow(self._cluster, source, to, arguments.protocol(protocol))
        self.asked.append(flow)
        return flow

    @property
    def _live(self) -> Running:
        if self._running is None:
            raise LabError("the lab is not running; use it as a context manager: with labkit.Lab()")
        return self._running

    def _built(self, scenario: Scenario, previous: Cluster | None = None) -> Cluster:
        return build_cluster(
            scenario,
            previous=previous,
            dataplane=self._dataplane,
            real_kube_proxy=self._kube_proxy.identity if self._kube_proxy else None,
        )
