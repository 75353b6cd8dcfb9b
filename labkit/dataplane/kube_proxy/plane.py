"""The data plane `kube-proxy`: the real one, a process in every node.

It is told of the cluster by labkit's API server, and every change is waited for: see
`labkit.dataplane.kube_proxy.marker`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from labkit.cluster.model import Cluster, Endpoint, Node, Service
from labkit.cluster.model import Protocol as TransportProtocol
from labkit.cluster.object_names import ServicePortName
from labkit.dataplane import data_plane
from labkit.dataplane.base import Change, Silent
from labkit.dataplane.iptables.apply import Backend, choose_backend
from labkit.dataplane.kube_proxy import readback
from labkit.dataplane.kube_proxy.flags import check, command
from labkit.dataplane.kube_proxy.hosted import Hosted, prepare
from labkit.dataplane.kube_proxy.hosting import Hosting
from labkit.dataplane.kube_proxy.marker import Marker
from labkit.dataplane.kube_proxy.objects import Json
from labkit.dataplane.kube_proxy.server import ApiServer
from labkit.errors import LabError
from labkit.kernel.daemon import until
from labkit.kernel.guest.exchange import kernel_kind
from labkit.kernel.netns import Namespace

NAME: Final = "kube-proxy"
HOST_PATIENCE_S: Final = 10.0
GUEST_PATIENCE_S: Final = 60.0
"""A system call of a guest takes fifty times as long."""
A_NODE_S: Final = 1.0
"""More for each node: they share the machine."""
A_PORT_OF_IPVS: Final = 0.01
"""In IPVS mode more for each node and each port of a Service, as a part of the first patience: 1.20
starts ipset(8) for every entry of every set (pkg/util/ipset/ipset.go, AddEntry)."""
FIRST_ERRORS: Final = 3
KLOG_ERROR: Final = re.compile(r"[EF]\d{4} ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a node's kube-proxy is told. Pods alone change nothing of it."""

    node: Node
    services: tuple[Service, ...]
    endpoints: Mapping[ServicePortName, tuple[Endpoint, ...]]
    cluster: Cluster = field(compare=False)


class KubeProxyPlane:
    """Hosts a kube-proxy in every node. Closing it ends them all."""

    name = NAME
    answers_health_checks = True

    def __init__(self, hosting: Hosting, *, backend: Backend | None = None) -> None:
        self._program = hosting.program
        self._mode = hosting.mode
        self._loop = hosting.loop
        self._like = data_plane(hosting.mode)
        self._chosen = backend
        self._server: ApiServer | None = None
        self._hosted: dict[str, Hosted] = {}
        self._marker = Marker()
        self._ports = 0
        """Of all Services that are told."""
        self._unfinished = False
        """Whether what was told last may leave kube-proxy more to do than to write its rules."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Features that its mode needs."""
        return self._like.needs

    def fitted(self, namespace: Namespace) -> KubeProxyPlane:
        """Choose the iptables backend that the kernel has.

        Raises:
            MissingFeature: there is no iptables at all.
        """
        self._chosen = self._chosen or choose_backend(namespace)
        return self

    def sysctls(self, cluster: Cluster) -> Mapping[str, str]:  # noqa: ARG002 - the interface's
        """Nothing: kube-proxy sets what it needs."""
        return {}

    def render(
        self,
        cluster: Cluster,
        node: Node,
        previous: Told | None = None,  # noqa: ARG002 - the interface's
    ) -> Told:
        """Return what the node's kube-proxy is to be told."""
        return Told(
            node=node, services=cluster.services, endpoints=cluster.endpoints, cluster=cluster
        )

    def apply(self, changes: Sequence[Change[Told]]) -> None:
        """Tell every kube-proxy, start those that do not run, and wait until all are in sync.

        Raises:
            LabError: one has ended, or does not follow in time; with the end of its output.
            UsageError: the Lab asks for something that this version does not know.
        """
        if not changes:
            return
        cluster = changes[0].rules.cluster
        check(self._program, cluster, self._mode)
        self._ports = sum(1 for _ in cluster.service_ports())
        first = self._show_next(cluster)
        for change in changes:
            self._host(change.namespace, change.rules)
        self._wait(lambda hosted: hosted.lookout.has_come(first))
        self._unfinished |= self._mode == "ipvs" or _is_more_than_rules(cluster)
        if self._unfinished:
            second = self._show_next(cluster)
            self._wait(lambda hosted: hosted.lookout.has_followed(second, first))
        self._unfinished = _is_more_than_rules(cluster)

    def confused(
        self, silent: Sequence[Silent], namespaces: Sequence[Namespace]
    ) -> frozenset[Silent]:
        """Attempts that the kernel took for others, as its mode can make it do."""
        return self._like.confused(silent, namespaces)

    def mark(self, namespace: Namespace) -> object:  # noqa: ARG002 - the interface's
        """Nothing: what somebody takes from its rules, kube-proxy must put back itself."""
        return None

    def held(self, namespace: Namespace, rules: Told) -> Told:  # noqa: ARG002 - as above
        """Return what it was told."""
        return rules

    def clean_up(self, cluster: Cluster, namespaces: Sequence[Namespace]) -> None:
        """Nothing: to forget UDP flows to endpoints that are gone is kube-proxy's own job."""

    def text(self, namespace: Namespace, rules: Told) -> str:
        """What the node holds now, without labkit's own Service.

        Raises:
            LabError: a tool is missing or failed.
        """
        self._show(rules.cluster)
        found = ""

        def is_clean() -> bool:
            nonlocal found
            found = readback.read(namespace, self._mode, self._backend)
            return not readback.shows_marker(found)

        hosted = self._hosted[namespace.name]
        if not until(is_clean, [hosted.daemon], within_s=self._patience):
            raise LabError(f"{hosted.daemon.where} does not take back labkit's own Service")
        return found

    def logs(self) -> Mapping[str, str]:
        """What each kube-proxy has printed, and the Events that they have posted."""
        found = {each.daemon.where: each.daemon.log() for each in self._hosted.values()}
        posted = self._server.posted if self._server else []
        return found | ({"kube-proxy/events": events_text(posted)} if posted else {})

    def close(self) -> None:
        """End every kube-proxy and the API server."""
        for hosted in self._hosted.values():
            hosted.close()
        self._hosted.clear()
        server, self._server = self._server, None
        if server is not None:
            self._loop.run(server.aclose())

    @property
    def _backend(self) -> Backend:
        return self._chosen or "nft"

    @property
    def _patience(self) -> float:
        """Seconds to wait for a sync of all nodes."""
        alone = HOST_PATIENCE_S if kernel_kind() == "host" else GUEST_PATIENCE_S
        each = A_NODE_S + (alone * A_PORT_OF_IPVS * self._ports if self._mode == "ipvs" else 0)
        return alone + each * len(self._hosted)

    def _host(self, namespace: Namespace, told: Told) -> None:
        """See to it that a node's kube-proxy runs."""
        hosted = self._hosted.get(namespace.name)
        if hosted is None:
            release = self._program.release
            prepare(namespace, told.cluster, release, self._mode, self._backend)
        elif hosted.daemon.returncode is None:
            return
        else:
            hosted.close()
        port = self._loop.run(self._listening(namespace))
        argv = command(self._program, told.cluster, told.node, self._mode, port)
        self._hosted[namespace.name] = Hosted(namespace, argv, self._mode, self._backend)

    def _wait(self, condition: Callable[[Hosted], bool]) -> None:
        late = list(self._hosted.values())
        daemons = [each.daemon for each in late]

        def all_are() -> bool:
            late[:] = [each for each in late if not condition(each)]
            return not late

        if not until(all_are, daemons, within_s=self._patience):
            daemon = late[0].daemon
            said = complaints(daemon.log()) or daemon.last_words()
            raise LabError(f"{daemon.where} is not in sync after {self._patience:.0f} s{said}")

    def _show_next(self, cluster: Cluster) -> Marker:
        """Show a cluster with a marker that was not there yet, and return that."""
        self._marker = self._marker.next()
        self._show(self._marker.in_cluster(cluster))
        return self._marker

    def _show(self, cluster: Cluster) -> None:
        self._loop.run(self._showing(cluster))

    async def _showing(self, cluster: Cluster) -> None:
        if self._server is None:
            self._server = ApiServer()
        self._server.show(cluster)

    async def _listening(self, namespace: Namespace) -> int:
        if self._server is None:
            raise LabError("the API server is closed")
        return await self._server.listen(namespace)


def _is_more_than_rules(cluster: Cluster) -> bool:
    """Whether kube-proxy has more to do for a cluster, once its rules are written.

    It forgets flows, serves health check ports, and before 1.24 holds the ports that can be
    reached from outside (kubernetes#108496). A ClusterIP with TCP ports is rules alone.
    """
    reachable = any(s.external_ips or s.ingress for s in cluster.services)
    return reachable or any(
        port.node_port is not None or port.protocol is not TransportProtocol.TCP
        for _, port in cluster.service_ports()
    )


def complaints(log: str) -> str:
    """The errors in what kube-proxy has written, to put behind a message; empty without any.

    Source: https://github.com/kubernetes/klog, klog.go, header formatting.
    """
    found = [line for line in log.splitlines() if KLOG_ERROR.match(line)][:FIRST_ERRORS]
    return "; it complains: " + " | ".join(found) if found else ""


def events_text(posted: Sequence[Json]) -> str:
    """Events, one line each, as `kubectl get events` shows them."""
    return "".join(
        f"{each.get('type', '')} {each.get('reason', '')} "
        f"{each.get('note') or each.get('message', '')}\n"
        for each in posted
    )
