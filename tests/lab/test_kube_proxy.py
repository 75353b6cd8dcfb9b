"""The API server in a node's namespace: real sockets, and kubectl as a client that is not ours."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from labkit.cluster.model import Service
from labkit.cluster.object_names import ObjectName
from labkit.dataplane.kube_proxy.server import LOCALHOST, ApiServer
from labkit.errors import MissingFeature
from labkit.kernel.netns import Edge, Namespace
from labkit.kernel.process import Process
from tests.real_kube_proxy import kube_proxy
from tests.unit.dataplane.clusters import CLUSTER_IP, P80, cluster

DEADLINE_S = 10.0
WEB = Service(key=ObjectName("default", "web"), cluster_ip=CLUSTER_IP, ports=(P80,))
CLUSTER = cluster(WEB)
CHANGED = cluster(replace(WEB, affinity_timeout_s=9))


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as made:
        yield made


@pytest.fixture
def namespace(edge: Edge) -> Namespace:
    return with_loopback(edge, "node1")


def with_loopback(edge: Edge, name: str) -> Namespace:
    try:
        made = edge.namespace(name)
    except MissingFeature as error:
        pytest.skip(str(error))
    made.execute(["ip", "link", "set", "lo", "up"])
    return made


@asynccontextmanager
async def serving(namespace: Namespace) -> AsyncIterator[tuple[ApiServer, int]]:
    server = ApiServer()
    try:
        server.show(CLUSTER)
        yield server, await server.listen(namespace)
    finally:
        server.close()
        await asyncio.sleep(0)  # transports close in the loop's next turn


async def connect(
    namespace: Namespace, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    made = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(made, (LOCALHOST, port))
    except OSError:
        made.close()
        raise
    return await asyncio.open_connection(sock=made)


def request(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_a_watch_hears_of_a_change_at_once(namespace: Namespace) -> None:
    async def talk() -> None:
        async with serving(namespace) as (server, port), asyncio.timeout(DEADLINE_S):
            reader, writer = await connect(namespace, port)
            writer.write(request("/api/v1/services?watch=true&sendInitialEvents=true"))
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"chunked" in head.lower()
            assert b"initial-events-end" in await reader.readuntil(b"initial-events-end")
            server.show(CHANGED)
            assert b"ClientIP" in await reader.readuntil(b"ClientIP")
            writer.close()

    asyncio.run(talk())


def test_a_watch_ends_in_its_time_and_the_connection_lives_on(namespace: Namespace) -> None:
    async def talk() -> None:
        async with serving(namespace) as (_, port), asyncio.timeout(DEADLINE_S):
            reader, writer = await connect(namespace, port)
            writer.write(request("/api/v1/nodes?watch=true&timeoutSeconds=0"))
            await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.write(request("/api/v1/nodes/node1"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(talk())


def test_another_node_does_not_reach_it(edge: Edge, namespace: Namespace) -> None:
    other = with_loopback(edge, "node2")

    async def talk() -> None:
        async with serving(namespace) as (_, port):
            with pytest.raises(ConnectionRefusedError):
                await connect(other, port)

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("services", ["web"]),
        ("endpointslices", ["web-1"]),
        ("nodes", ["node1", "node2"]),
        ("endpoints", ["web"]),
    ],
)
def test_kubectl_lists_what_there_is(
    namespace: Namespace, tmp_path: Path, kind: str, expected: list[str]
) -> None:
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("no kubectl on this machine; Debian's package is kubernetes-client")

    async def ask() -> str:
        async with serving(namespace) as (_, port), asyncio.timeout(DEADLINE_S):
            server = f"--server=http://{LOCALHOST}:{port}"
            argv = [kubectl, server, "get", kind, "--output=json"]
            env = {"HOME": str(tmp_path), "KUBECONFIG": "/dev/null"}
            return await asyncio.to_thread(namespace.execute, argv, env=env)

    found = json.loads(asyncio.run(ask()))["items"]
    assert [each["metadata"]["name"] for each in found] == expected


def start(program: str, namespace: Namespace, port: int, log: IO[bytes]) -> Process:
    argv = [
        program,
        "--proxy-mode=iptables",
        "--hostname-override=node1",
        f"--master=http://{LOCALHOST}:{port}",
        "--cluster-cidr=10.180.0.0/16",
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        "--iptables-min-sync-period=0s",
        f"--healthz-bind-address={LOCALHOST}:10256",
        f"--metrics-bind-address={LOCALHOST}:10249",
    ]
    return namespace.popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


async def rules_have(namespace: Namespace, text: str) -> None:
    while text not in await asyncio.to_thread(namespace.execute, ["iptables-save", "-t", "nat"]):
        pass


def test_the_real_kube_proxy_follows_what_it_is_told(namespace: Namespace, tmp_path: Path) -> None:
    program = str(kube_proxy())

    async def follow(log: IO[bytes]) -> None:
        async with serving(namespace) as (server, port), asyncio.timeout(DEADLINE_S):
            proxy = start(program, namespace, port, log)
            try:
                await rules_have(namespace, f"-d {CLUSTER_IP}/32")
                server.show(CHANGED)
                await rules_have(namespace, "-m recent")
            finally:
                proxy.kill()
                proxy.wait()

    with (tmp_path / "kube-proxy.log").open("wb") as log:
        asyncio.run(follow(log))
