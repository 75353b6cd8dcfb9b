from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from labkit.cluster.model import Protocol
from labkit.cluster.object_names import ObjectName
from labkit.cluster.topology import HealthCheck
from labkit.errors import LabError
from labkit.probe.engine import AsyncioEngine
from labkit.probe.flow import Answer, Outcome
from labkit.probe.netexec import Request, Response
from labkit.probe.poller import Poller
from labkit.probe.responder import Responders
from labkit.probe.sites import PodSite
from labkit.probe.tcp_server import Connections, TcpListener
from labkit.probe.wire import Identity
from tests.lab.probe_hosts import SECOND, SERVER, Hosts, hosts, open_files, web

TCP, UDP = Protocol.TCP, Protocol.UDP
DEADLINE_S = 10.0


@pytest.fixture
def wire() -> Iterator[Hosts]:
    with hosts() as pair:
        yield pair


@dataclass(frozen=True)
class Served:
    """The responder on TCP and UDP port 80 of the server, and a client's sockets."""

    wire: Hosts
    responders: Responders

    async def connect(self, port: int = 80) -> socket.socket:
        sock = self.wire.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(sock, (str(SERVER), port))
        return sock

    async def exchange(self, request: bytes, port: int = 80) -> bytes:
        """Send, say that nothing more comes after it, and return all until the server closes."""
        with await self.connect(port) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, request)
            return await read_all(sock)

    async def datagram(self, data: bytes, address: object = SERVER) -> bytes:
        with self.wire.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)  # noqa: FBT003
            sock.connect((str(address), 80))
            sock.send(data)
            return await asyncio.get_running_loop().sock_recv(sock, 65536)

    async def probe(self, port: int = 80, protocol: Protocol = TCP) -> Answer:
        attempt = self.wire.to_server(port, protocol)
        (answer,) = await AsyncioEngine().probe([attempt], timeout_s=DEADLINE_S)
        return answer


async def read_all(sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while piece := await loop.sock_recv(sock, 65536):
        data += piece
    return data


async def read_to(sock: socket.socket, end: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while not data.endswith(end):
        piece = await loop.sock_recv(sock, 65536)
        assert piece, f"closed after {data!r}"
        data += piece
    return data


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


@asynccontextmanager
async def serving(wire: Hosts, responders: Responders | None = None) -> AsyncIterator[Served]:
    responders = responders or Responders()
    try:
        await responders.start_pod(web((80, TCP), (80, UDP)), wire.server)
        yield Served(wire, responders)
    finally:
        await responders.close()


def run(
    wire: Hosts,
    test: Callable[[Served], Awaitable[None]],
    responders: Responders | None = None,
) -> None:
    async def whole() -> None:
        async with asyncio.timeout(DEADLINE_S), serving(wire, responders) as served:
            await test(served)

    asyncio.run(whole())


def test_requests_of_one_connection_see_the_same_client_address(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        loop = asyncio.get_running_loop()
        with await served.connect() as sock:
            own = "{}:{}".format(*sock.getsockname()).encode()
            for _ in range(3):
                await loop.sock_sendall(sock, b"GET /clientip HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = await read_to(sock, own)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")

    run(wire, test)


def test_the_address_that_was_asked_is_the_one_that_answers(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        for address in (SERVER, SECOND):
            answer = json.loads(await served.datagram(b"labkit", address))
            assert answer["address"] == f"{address}:80"
        with served.wire.client.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)  # noqa: FBT003
            await asyncio.get_running_loop().sock_connect(sock, (str(SECOND), 80))
            sock.send(b"GET / HTTP/1.0\r\n\r\n")
            body = (await read_all(sock)).partition(b"\r\n\r\n")[2]
        assert json.loads(body)["address"] == f"{SECOND}:80"

    run(wire, test)


def test_hundreds_of_requests_at_once_are_answered_in_order(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        requests = [b"GET /echo?msg=<%d> HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(500)]
        requests.append(b"GET /echo?msg=end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        answer = await served.exchange(b"".join(requests))

        assert answer.count(b"HTTP/1.1 200 OK") == 501
        positions = [answer.index(b"<%d>" % n) for n in range(500)]
        assert positions == sorted(positions)

    run(wire, test)


def test_megabytes_of_body_and_others_are_answered_meanwhile(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        loop = asyncio.get_running_loop()
        size = 4_000_000
        with await served.connect() as sock:
            head = b"POST /hostname HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size
            await loop.sock_sendall(sock, head + bytes(size // 2))
            assert (await served.probe()).pod == "web-1"
            await loop.sock_sendall(sock, bytes(size // 2))
            assert (await read_to(sock, b"web-1")).startswith(b"HTTP/1.1 200 OK")

    run(wire, test)


def test_eight_kilobytes_of_datagram_come_back(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        assert await served.datagram(b"echo " + b"x" * 8192) == b"x" * 8192

    run(wire, test)


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x00\xf4\x01\x00\x00\xf0\x03\x03\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_garbage_is_told_so_and_ends_only_its_own_connection(wire: Hosts, garbage: bytes) -> None:
    async def test(served: Served) -> None:
        assert (await served.exchange(garbage)).startswith(b"HTTP/1.1 400 ")
        assert (await served.probe()).pod == "web-1"
        await until(lambda: served.responders.open_connections == 0)

    run(wire, test)


def test_garbage_datagrams_get_no_answer_and_do_no_harm(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        with served.wire.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((str(SERVER), 80))
            for data in (b"", b"\x00" * 100, b"\xff" * 1400, b"shell id"):
                sock.send(data)
            sock.send(b"hostname")
            sock.setblocking(False)  # noqa: FBT003
            assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"web-1"

    run(wire, test)


@pytest.mark.parametrize("sent", [b"", b"GET / HT"], ids=["nothing", "half a line"])
def test_a_client_that_sends_no_request_is_closed(wire: Hosts, sent: bytes) -> None:
    async def test(served: Served) -> None:
        with await served.connect() as sock:
            if sent:
                sock.send(sent)
            assert await read_all(sock) == b""
        assert served.responders.open_connections == 0

    run(wire, test, Responders(idle_s=0.05))


def largest_buffer(kind: str) -> int:
    """Bytes that a socket of the calling thread's namespace may hold (tcp(7))."""
    return int(Path(f"/proc/sys/net/ipv4/tcp_{kind}").read_text().split()[2])


def test_a_client_that_never_reads_is_not_read_from_without_end(wire: Hosts) -> None:
    # Requests that nobody reads and answers that nobody reads each fill the buffers of both ends.
    most = 3 * sum(wire.client.run(partial(largest_buffer, kind)) for kind in ("rmem", "wmem"))

    async def test(served: Served) -> None:
        with await served.connect() as sock:
            request = b"GET /echo?msg=%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 8000)
            sent, quiet = 0, 0
            while quiet < 100:  # turns of the loop in which not a byte was taken
                try:
                    sent += sock.send(request * 8)
                    quiet = 0
                except BlockingIOError:
                    quiet += 1
                await asyncio.sleep(0)
                assert sent < most
            assert (await served.probe()).pod == "web-1"

    run(wire, test)


@pytest.mark.parametrize("ending", ["keep-alive", "close"])
def test_an_answer_larger_than_every_buffer_arrives_whole(wire: Hosts, ending: str) -> None:
    size = 10_000_000

    class Large(PodSite):
        def respond(self, request: Request) -> Response:  # noqa: ARG002 - the same to all
            return Response(body=bytes(size))

    async def test(served: Served) -> None:
        poller = Poller(asyncio.get_running_loop())
        sock = wire.server.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        sock.bind(("", 81))
        sock.listen()
        site = Large(Identity("large", "node1", "large"))
        listener = TcpListener(sock, site, Connections(poller), text=False)
        try:
            with await served.connect(81) as client:
                asked = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: {ending}\r\n\r\n"
                client.send(asked.encode())
                loop = asyncio.get_running_loop()
                head, _, body = (await loop.sock_recv(client, 1000)).partition(b"\r\n\r\n")
                received = len(body)
                while received < size:
                    received += len(await loop.sock_recv(client, 65536))
            assert head.startswith(b"HTTP/1.1 200")
            assert received == size
        finally:
            listener.close()
            poller.close()

    run(wire, test)


def test_a_crowd_of_silent_clients_does_not_keep_others_out(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        silent = [await served.connect() for _ in range(30)]
        await until(lambda: served.responders.open_connections == 20)
        assert (await served.probe()).pod == "web-1"
        assert await served.datagram(b"hostname") == b"web-1"
        for sock in silent:
            sock.close()
        await until(lambda: served.responders.open_connections == 0)

    run(wire, test, Responders(most_connections=20))


def test_a_pod_that_stops_refuses_and_ends_its_connections(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        with await served.connect() as sock:
            await until(lambda: served.responders.open_connections == 1)
            await served.responders.stop_pod("web-1")
            assert await read_all(sock) == b""
        assert (await served.probe()).outcome is Outcome.REFUSED
        assert (await served.probe(protocol=UDP)).outcome is Outcome.REFUSED
        await served.responders.stop_pod("web-1")
        await served.responders.start_pod(web((80, TCP)), served.wire.server)
        assert (await served.probe()).pod == "web-1"

    run(wire, test)


def test_a_container_with_a_command_gets_no_responder(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        pod = web((81, TCP))
        (container,) = pod.containers
        programs = replace(pod, containers=(replace(container, command=("nginx",)),))
        await served.responders.start_pod(programs, served.wire.server)
        assert (await served.probe(81)).outcome is Outcome.REFUSED

    run(wire, test)


def test_a_taken_port_is_an_error_that_names_the_pod(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        second = web((79, TCP), (80, TCP), name="web-2", host_network=True)
        with pytest.raises(LabError, match="pod web-2 cannot listen on port 80/TCP: Address alr"):
            await served.responders.start_pod(second, served.wire.server)
        assert (await served.probe(79)).outcome is Outcome.REFUSED

    run(wire, test)


def test_on_the_host_network_the_hostname_is_the_nodes(wire: Hosts) -> None:
    async def test(served: Served) -> None:
        agent = web((81, TCP), name="agent", host_network=True)
        await served.responders.start_pod(agent, served.wire.server)
        answer = await served.exchange(b"GET /hostname HTTP/1.0\r\n\r\n", 81)
        assert answer.endswith(b"\r\n\r\nnode1")
        assert (await served.probe(81)).pod == "agent"

    run(wire, test)


def test_health_checks_change_while_they_run(wire: Hosts) -> None:
    def check(port: int, count: int) -> HealthCheck:
        return HealthCheck(service=ObjectName("default", "web"), port=port, local_endpoints=count)

    async def test(served: Served) -> None:
        async def become(*checks: HealthCheck) -> None:
            await served.responders.set_health_checks("node1", served.wire.server, checks)

        await become(check(32000, 0), check(32001, 1))
        assert (await served.probe(32000)).http_status == 503
        assert (await served.probe(32001)).http_status == 200
        await become(check(32000, 2))
        answer = await served.exchange(b"GET /any/path HTTP/1.0\r\n\r\n", 32000)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nX-Load-Balancing-Endpoint-Weight: 2\r\n" in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["localEndpoints"] == 2
        assert (await served.probe(32001)).outcome is Outcome.REFUSED
        await served.responders.set_health_checks("node2", served.wire.client, ())
        assert (await served.probe(32000)).http_status == 200

    run(wire, test)


def test_closing_leaves_nothing_open(wire: Hosts) -> None:
    async def whole() -> tuple[set[str], set[str]]:
        before = open_files()
        async with serving(wire) as served:
            with await served.connect() as sock:
                sock.send(b"GET / HT")
                await until(lambda: served.responders.open_connections == 1)
                await served.responders.set_health_checks(
                    "node1",
                    wire.server,
                    [HealthCheck(service=ObjectName("d", "s"), port=32000, local_endpoints=1)],
                )
                await served.responders.close()
                await served.responders.close()
        return before, open_files()

    before, after = asyncio.run(whole())

    assert after == before
