"""Pods and Services of a lab that changes while it runs, and sockets that see it change."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPResponse

import msgspec

import labkit
from labkit.lab.source import lab_object
from labkit.probe.wire import PROBE_COMMAND, WhoAnswered
from labkit.semantics.traits import TRAITS, Trait

Object = Mapping[str, object]

NODES = 2
PORT: Object = {"port": 80, "nodePort": 30080}
LOCAL = "Local"
CLUSTER_IP, LOAD_BALANCER_IP = "10.96.0.80", "203.0.113.80"
UNREADY: Object = {"annotations": {"labkit.dev/ready": "false"}}
TERMINATING: Object = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
"""What the API server adds to a pod that is deleted; until it ends it goes on serving."""
ANSWER_S = 0.5
"""Until a question is asked again: an answer comes in a fraction of it."""


def two_nodes(**kube_proxy: object) -> Sequence[Object]:
    """A lab whose client calls ClusterIPs and load balancers through node1."""
    routes = [{"to": each, "via": "node1"} for each in ("10.96.0.0/12", "203.0.113.0/24")]
    clients = [{"name": "client", "routes": routes}]
    return [lab_object("changes", NODES, (), {"clients": clients, "kubeProxy": kube_proxy})]


def pod(  # noqa: PLR0913 - a pod is described in one place
    cluster: labkit.Lab,
    name: str,
    node: str,
    metadata: Object | None = None,
    *,
    protocol: str = "TCP",
    ports: Sequence[Object] = ({"containerPort": 80},),
    phase: str = "",
) -> None:
    """Add or replace a pod that serves port 80."""
    declared = [{"protocol": protocol, **each} for each in ports]
    container = {"name": "web", "image": "nginx", "ports": declared}
    cluster.add(
        [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "labels": {"app": "web"}, **(metadata or {})},
                "spec": {"nodeName": node, "containers": [container]},
                "status": {"phase": phase} if phase else {},
            }
        ]
    )


def service(cluster: labkit.Lab, name: str = "web", **spec: object) -> None:
    """Add or replace a Service of the pods, with a NodePort unless it says otherwise."""
    given = {"type": "NodePort", "selector": {"app": "web"}, "ports": [PORT], **spec}
    ports = given["ports"]
    assert isinstance(ports, list)
    given["ports"] = [{"port": port} if isinstance(port, int) else port for port in ports]
    balanced = given["type"] == "LoadBalancer"
    ingress = [{"ip": LOAD_BALANCER_IP}] if balanced else []
    cluster.add(
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": given,
                "status": {"loadBalancer": {"ingress": ingress}},
            }
        ]
    )


def has(cluster: labkit.Lab, trait: Trait) -> bool:
    """Whether the lab's data plane has a trait."""
    return trait in TRAITS[cluster.cluster.dataplane]


def until(holds: Callable[[], bool], *, every_s: float, deadline_s: float) -> bool:
    """Look again and again; False if it does not hold before the deadline."""
    end = time.monotonic() + deadline_s
    between = threading.Event()
    while not holds():
        if time.monotonic() > end:
            return False
        between.wait(every_s)
    return True


@contextlib.contextmanager
def connected(
    cluster: labkit.Lab, source: str, address: str, port: int, kind: int = socket.SOCK_STREAM
) -> Iterator[socket.socket]:
    """A socket of a host that keeps its source port and hears of nobody but whom it asked."""
    with cluster.socket(source, kind) as sock:
        sock.settimeout(ANSWER_S)
        sock.connect((address, port))
        yield sock


def ask(connection: socket.socket) -> str:
    """Ask over a TCP connection that stays open who is at its other end."""
    connection.sendall(b"GET /hostname HTTP/1.1\r\nHost: web\r\n\r\n")
    with HTTPResponse(connection) as response:
        response.begin()
        return response.read().decode()


def ask_udp(sock: socket.socket, *, deadline_s: float = 5) -> str:
    """Ask by datagrams until a pod answers; return its name and port, empty at the deadline."""
    answers: list[str] = []

    def answered() -> bool:
        # Refused or unreachable is what it was a moment ago, as ICMP told the socket.
        with contextlib.suppress(OSError):
            sock.send(PROBE_COMMAND)
            who = msgspec.json.decode(sock.recv(1000), type=WhoAnswered)
            answers.append(f"{who.pod}:{who.address.rpartition(':')[2]}")
        return bool(answers)

    until(answered, every_s=0.02, deadline_s=deadline_s)
    return answers[0] if answers else ""
