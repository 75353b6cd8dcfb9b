"""Responders: the built-in servers of pods, and the health check ports of nodes.

Every socket is made inside its pod's or node's namespace; all of them are served by one asyncio
loop, and none of them needs a task or a thread.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable, Iterator

from labkit.cluster.model import ContainerPort, Pod, Protocol
from labkit.cluster.topology import HealthCheck
from labkit.errors import LabError
from labkit.kernel.netns import Namespace
from labkit.probe.attempt import SOCKET_KINDS
from labkit.probe.poller import Poller
from labkit.probe.sites import HealthSite, PodSite
from labkit.probe.tcp_server import (
    IDLE_S,
    LISTEN_BACKLOG,
    MAX_CONNECTIONS,
    Connections,
    Site,
    TcpListener,
)
from labkit.probe.udp_server import UdpListener
from labkit.probe.wire import Identity

Listener = TcpListener | UdpListener


class Responders:
    """Owns every responder of a lab. All methods run on one and the same loop."""

    def __init__(self, *, idle_s: float = IDLE_S, most_connections: int = MAX_CONNECTIONS) -> None:
        self._idle_s = idle_s
        self._most_connections = most_connections
        self._connections: Connections | None = None
        self._pods: dict[str, list[Listener]] = {}
        self._health: dict[tuple[str, int], tuple[HealthSite, Listener]] = {}

    @property
    def open_connections(self) -> int:
        """Accepted connections that are not closed yet."""
        return 0 if self._connections is None else len(self._connections)

    async def start_pod(self, pod: Pod, namespace: Namespace) -> None:
        """Serve the ports of the pod's containers that have no command.

        A pod of the same name is stopped first. A port that two containers declare is served
        once. SCTP ports are left out where the kernel has no SCTP.

        Raises:
            LabError: a port is taken, as by another pod on the host network; none is served.
        """
        await self.stop_pod(pod.name)
        hostname = pod.node if pod.host_network else pod.key.name
        site = PodSite(Identity(pod.name, pod.node, hostname))
        listeners: list[Listener] = []
        try:
            for protocol, ports in _responder_ports(pod).items():
                listeners += self._listen(namespace, protocol, ports, site, owner=f"pod {pod.name}")
        except BaseException:
            _close(listeners)
            raise
        self._pods[pod.name] = listeners

    async def stop_pod(self, name: str) -> None:
        """Close a pod's ports and their connections; nothing if it has none."""
        _close(self._pods.pop(name, ()))

    async def set_health_checks(
        self, node: str, namespace: Namespace, checks: Iterable[HealthCheck]
    ) -> None:
        """Serve exactly these health checks on a node; those that stay keep their connections.

        Raises:
            LabError: a port is taken.
        """
        wanted = {(node, check.port): check for check in checks}
        for key in [key for key in self._health if key[0] == node and key not in wanted]:
            _site, listener = self._health.pop(key)
            listener.close()
        for key, check in wanted.items():
            if key in self._health:
                site = self._health[key][0]
                site.service, site.local_endpoints = check.service, check.local_endpoints
                continue
            site = HealthSite(check.service, check.local_endpoints)
            owner = f"the health check of Service {check.service.shown} on {node}"
            (listener,) = self._listen(namespace, Protocol.TCP, [check.port], site, owner=owner)
            self._health[key] = (site, listener)

    async def close(self) -> None:
        """Close everything; safe to call again."""
        for name in list(self._pods):
            await self.stop_pod(name)
        for _site, listener in self._health.values():
            listener.close()
        self._health.clear()
        if self._connections is not None:
            self._connections.close_all()
            self._connections.poller.close()
            self._connections = None

    def _listen(
        self, namespace: Namespace, protocol: Protocol, ports: list[int], site: Site, *, owner: str
    ) -> list[Listener]:
        kind, number = SOCKET_KINDS[protocol]
        try:
            sockets = namespace.sockets(
                len(ports), socket.AF_INET, kind | socket.SOCK_NONBLOCK, number
            )
        except OSError as error:
            if protocol is Protocol.SCTP and error.errno == errno.EPROTONOSUPPORT:
                return []
            raise
        listeners: list[Listener] = []
        try:
            for sock, port in zip(sockets, ports, strict=True):
                _bind(sock, port, protocol, owner)
                listeners.append(self._listener(sock, protocol, site))
        except BaseException:
            _close(listeners)
            for sock in sockets:
                sock.close()
            raise
        return listeners

    def _listener(self, sock: socket.socket, protocol: Protocol, site: Site) -> Listener:
        if self._connections is None:
            poller = Poller(asyncio.get_running_loop())
            self._connections = Connections(
                poller, idle_s=self._idle_s, most=self._most_connections
            )
        if protocol is Protocol.UDP:
            return UdpListener(sock, site, self._connections.poller)
        return TcpListener(sock, site, self._connections, text=protocol is Protocol.SCTP)


def _responder_ports(pod: Pod) -> dict[Protocol, list[int]]:
    found: dict[Protocol, list[int]] = {}
    for declared in _declared(pod):
        ports = found.setdefault(declared.protocol, [])
        if declared.port not in ports:
            ports.append(declared.port)
    return found


def _declared(pod: Pod) -> Iterator[ContainerPort]:
    for container in pod.containers:
        if not container.command:
            yield from container.ports


def _bind(sock: socket.socket, port: int, protocol: Protocol, owner: str) -> None:
    try:
        if protocol is not Protocol.UDP:
            # A pod that comes back must not wait for the TIME_WAITs of the one before it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("", port))
        if protocol is not Protocol.UDP:
            sock.listen(LISTEN_BACKLOG)
    except OSError as error:
        raise LabError(
            f"{owner} cannot listen on port {port}/{protocol}: {error.strerror}"
        ) from error


def _close(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.close()
