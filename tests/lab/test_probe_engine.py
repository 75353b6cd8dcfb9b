from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Protocol
from labkit.errors import MissingFeature
from labkit.kernel.netns import Namespace
from labkit.probe import engine as engine_module
from labkit.probe.attempt import Attempt
from labkit.probe.engine import RESEND_S, AsyncioEngine
from labkit.probe.flow import Answer, Outcome
from labkit.probe.responder import Responders
from labkit.probe.source_ports import FIRST_PORT, LAST_PORT
from tests.lab.probe_hosts import (
    BEYOND,
    CLIENT,
    FAR,
    Hosts,
    hosts,
    open_files,
    web,
)

TCP, UDP = Protocol.TCP, Protocol.UDP
QUICK_S = 0.25
"""Long enough for every answer on an idle wire; silence is silence for any length of time."""


@pytest.fixture
def wire() -> Iterator[Hosts]:
    with hosts() as pair:
        yield pair


def probe(*attempts: Attempt, timeout_s: float = 1.7, served: Hosts | None = None) -> list[Answer]:
    """Probe, with the responder on TCP and UDP port 80 of the server if ``served``."""

    async def run() -> list[Answer]:
        responders = Responders()
        try:
            if served is not None:
                await responders.start_pod(web((80, TCP), (80, UDP)), served.server)
            return await AsyncioEngine(seed=1).probe(attempts, timeout_s=timeout_s)
        finally:
            await responders.close()

    return asyncio.run(run())


def install(namespace: Namespace, hook: str, *rules: str) -> None:
    chain = "\n".join([f"type filter hook {hook} priority 0", *rules])
    namespace.execute(["nft", "-f", "-"], stdin=f"table ip t {{ chain c {{\n{chain}\n}}\n}}\n")


@contextmanager
def listening(namespace: Namespace, port: int, *, answer: bytes | None = None) -> Iterator[None]:
    """A program of somebody's own: its kernel accepts, and it may have written an answer."""
    with namespace.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("", port))
        listener.listen()
        if answer is None:
            yield
            return
        loop_ends, ours = socket.socketpair()

        def serve() -> None:
            connection, _peer = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                ours.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            loop_ends.close()
            thread.join()
            ours.close()


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_an_answer_says_who_answered_and_which_client_it_saw(
    wire: Hosts, protocol: Protocol
) -> None:
    (answer,) = probe(wire.to_server(80, protocol), served=wire)

    assert (answer.outcome, answer.pod, answer.source_seen) == (Outcome.CONNECTED, "web-1", CLIENT)
    assert answer.http_status == (200 if protocol is TCP else None)
    assert FIRST_PORT <= answer.source_port <= LAST_PORT
    assert 0 < answer.elapsed_s < 1


def test_a_host_reaches_its_own_localhost(wire: Hosts) -> None:
    own = Attempt(namespace=wire.server, address=IPv4Address("127.0.0.1"), port=80)

    for answer in probe(own, replace(own, protocol=UDP), served=wire):
        assert (answer.outcome, str(answer.source_seen)) == (Outcome.CONNECTED, "127.0.0.1")


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_port_where_nobody_listens_refuses(wire: Hosts, protocol: Protocol) -> None:
    (answer,) = probe(wire.to_server(81, protocol))

    assert answer.outcome is Outcome.REFUSED


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ("reject with icmp port-unreachable", Outcome.REFUSED),
        ("reject with icmp host-unreachable", Outcome.UNREACHABLE),
        ("reject with icmp net-unreachable", Outcome.UNREACHABLE),
        ("reject with icmp admin-prohibited", Outcome.UNREACHABLE),
        ("drop", Outcome.TIMED_OUT),
    ],
)
def test_what_a_rule_does_is_told_apart(
    wire: Hosts, protocol: Protocol, verdict: str, outcome: Outcome
) -> None:
    install(wire.server, "input", f"meta l4proto {{ tcp, udp }} {verdict}")

    (answer,) = probe(wire.to_server(80, protocol), served=wire, timeout_s=QUICK_S)

    assert answer.outcome is outcome


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [("reject with icmp port-unreachable", Outcome.REFUSED), ("drop", Outcome.TIMED_OUT)],
)
def test_what_a_rule_of_the_sources_own_output_does_is_told_apart(
    wire: Hosts, protocol: Protocol, verdict: str, outcome: Outcome
) -> None:
    install(wire.client, "output", f"meta l4proto {{ tcp, udp }} {verdict}")

    (answer,) = probe(wire.to_server(80, protocol), served=wire, timeout_s=QUICK_S)

    assert answer.outcome is outcome


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("unreachable", Outcome.UNREACHABLE),
        ("prohibit", Outcome.UNREACHABLE),
        ("blackhole", Outcome.TIMED_OUT),
    ],
)
def test_routes_that_lead_nowhere(
    wire: Hosts, protocol: Protocol, kind: str, outcome: Outcome
) -> None:
    wire.client.execute(["ip", "route", "replace", kind, BEYOND])

    (answer,) = probe(wire.to_server(80, protocol, FAR), timeout_s=QUICK_S)

    assert answer.outcome is outcome


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_router_that_has_no_route_says_unreachable(wire: Hosts, protocol: Protocol) -> None:
    wire.server.write_sysctls({"net/ipv4/ip_forward": "1"})

    (answer,) = probe(wire.to_server(80, protocol, FAR))

    assert answer.outcome is Outcome.UNREACHABLE


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_host_without_any_route_is_unreachable(wire: Hosts, protocol: Protocol) -> None:
    (answer,) = probe(wire.to_server(80, protocol, IPv4Address("203.0.113.1")))

    assert answer.outcome is Outcome.UNREACHABLE


def test_a_lost_packet_is_no_timeout(wire: Hosts) -> None:
    install(
        wire.server,
        "input",
        "tcp flags & (syn | ack) == syn numgen inc mod 2 0 drop",
        "udp dport 80 numgen inc mod 2 0 drop",
    )

    tcp, udp = probe(wire.to_server(80), wire.to_server(80, UDP), served=wire)

    assert (tcp.outcome, udp.outcome) == (Outcome.CONNECTED, Outcome.CONNECTED)
    assert tcp.elapsed_s >= 1  # the kernel's own second SYN
    assert udp.elapsed_s >= RESEND_S


def test_a_handshake_without_an_answer_is_a_timeout(wire: Hosts) -> None:
    with listening(wire.server, 80):
        (answer,) = probe(wire.to_server(80), timeout_s=QUICK_S)

    assert answer.outcome is Outcome.TIMED_OUT


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"220 mail ESMTP\r\n", None),
        (b"HTTP/1.0 404 Not Found\r\nServer: other\r\n\r\n<html>", 404),
    ],
)
def test_another_programs_answer_is_an_answer(wire: Hosts, text: bytes, status: int | None) -> None:
    with listening(wire.server, 80, answer=text):
        (answer,) = probe(wire.to_server(80))

    assert (answer.outcome, answer.pod, answer.http_status) == (Outcome.CONNECTED, None, status)


def test_half_an_answer_is_an_answer_when_the_time_is_over(wire: Hosts) -> None:
    with listening(wire.server, 80, answer=b"HTTP/1.1 200 OK\r\nServ"):
        (answer,) = probe(wire.to_server(80), timeout_s=QUICK_S)

    assert (answer.outcome, answer.http_status) == (Outcome.CONNECTED, 200)


@pytest.mark.parametrize("linger", [True, False], ids=["RST", "FIN"])
def test_a_connection_that_ends_without_an_answer_is_reset(
    wire: Hosts,
    linger: bool,  # noqa: FBT001
) -> None:
    async def run() -> Answer:
        loop = asyncio.get_running_loop()
        with wire.server.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
            listener.setblocking(False)  # noqa: FBT003
            listener.bind(("", 80))
            listener.listen()
            asked = asyncio.create_task(AsyncioEngine().probe([wire.to_server(80)], timeout_s=1.7))
            connection, _peer = await loop.sock_accept(listener)
            with connection:
                await loop.sock_recv(connection, 65536)
                if linger:
                    connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
            (answer,) = await asked
            return answer

    assert asyncio.run(run()).outcome is Outcome.RESET


def test_every_attempt_has_a_source_port_of_its_own_and_goes_round_those_in_use(
    wire: Hosts,
) -> None:
    async def run() -> tuple[int, list[Answer]]:
        responders, engine = Responders(), AsyncioEngine(seed=5)
        await responders.start_pod(web((80, TCP), (80, UDP)), wire.server)
        (first,) = await engine.probe([wire.to_server(80)])
        with wire.client.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind(("", first.source_port + 2))
            answers = await engine.probe([wire.to_server(80)] * 50)
        await responders.close()
        return first.source_port, answers

    first, answers = asyncio.run(run())

    ports = [answer.source_port for answer in answers]
    assert ports == [first + n for n in range(1, 52) if n != 2]
    assert {answer.outcome for answer in answers} == {Outcome.CONNECTED}


def test_more_attempts_than_sockets_allowed_are_made_in_turns(
    wire: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "MAX_OPEN", 8)

    answers = probe(*[wire.to_server(80), wire.to_server(81)] * 50, served=wire)

    assert [answer.outcome for answer in answers] == [Outcome.CONNECTED, Outcome.REFUSED] * 50


def test_a_thousand_probes_at_once_are_all_answered(wire: Hosts) -> None:
    attempts = [wire.to_server(80, protocol) for _ in range(500) for protocol in (TCP, UDP)]

    answers = probe(*attempts, served=wire)

    assert {answer.outcome for answer in answers} == {Outcome.CONNECTED}
    assert max(answer.elapsed_s for answer in answers) < RESEND_S  # none was lost


def test_a_cancelled_probe_leaves_nothing_open(wire: Hosts) -> None:
    async def run() -> tuple[set[str], set[str]]:
        before = open_files()
        task = asyncio.create_task(
            AsyncioEngine().probe([wire.to_server(80, address=FAR)] * 300, timeout_s=60.0)
        )
        while len(open_files()) < len(before) + 300:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return before, open_files()

    before, after = asyncio.run(run())

    assert after == before


def test_sctp_works_or_says_what_the_kernel_lacks(wire: Hosts) -> None:
    async def run() -> list[Answer]:
        responders = Responders()
        await responders.start_pod(web((80, Protocol.SCTP)), wire.server)
        try:
            return await AsyncioEngine().probe([wire.to_server(80, Protocol.SCTP)], timeout_s=1.7)
        finally:
            await responders.close()

    try:
        with wire.server.socket(socket.AF_INET, socket.SOCK_STREAM, 132):
            pass
    except OSError:
        with pytest.raises(MissingFeature, match="sctp: the kernel has no SCTP"):
            asyncio.run(run())
    else:
        (answer,) = asyncio.run(run())
        assert (answer.outcome, answer.pod) == (Outcome.CONNECTED, "web-1")


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_large_request_goes_there_and_comes_back(wire: Hosts, protocol: Protocol) -> None:
    large = replace(wire.to_server(80, protocol), request_bytes=60_000)

    (answer,) = probe(large, served=wire)

    assert (answer.outcome, answer.pod) == (Outcome.CONNECTED, "web-1")


def test_a_network_that_drops_fragments_loses_large_datagrams_only(wire: Hosts) -> None:
    install(wire.client, "prerouting", "ip frag-off & 0x3fff != 0 drop")
    small = replace(wire.to_server(80, UDP), request_bytes=1000)

    first, second = probe(small, replace(small, request_bytes=8192), served=wire, timeout_s=QUICK_S)

    assert first.outcome is Outcome.CONNECTED
    assert second.outcome is Outcome.TIMED_OUT


def test_a_datagram_that_a_full_queue_refuses_is_lost_and_no_more(wire: Hosts) -> None:
    small = wire.to_server(80, UDP)
    (before,) = probe(small, served=wire)  # and now the server's address is known
    wire.client.execute(["tc", "qdisc", "add", "dev", "eth0", "root", "pfifo", "limit", "0"])

    (answer,) = probe(small, served=wire, timeout_s=QUICK_S)

    assert before.outcome is Outcome.CONNECTED
    assert answer.outcome is Outcome.TIMED_OUT
