from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from labkit.cluster.model import Protocol
from labkit.probe.engine import AsyncioEngine
from labkit.probe.flow import Answer, Flow, Outcome
from labkit.probe.responder import Responders
from labkit.trace.capture import Replies, capture, stranger_replies
from labkit.trace.packet import ICMP, TCP, UDP, Direction, Packet, TcpFlags
from tests.lab.probe_hosts import CLIENT, SECOND, SERVER, Hosts, hosts, web

FLOW = Flow(source="client", address=SERVER, dport=80)


@pytest.fixture
def wire() -> Iterator[Hosts]:
    with hosts() as pair:
        yield pair


def captured(
    wire: Hosts, *, attempts: int = 1, timeout_s: float = 1.7, limit: int = 1000
) -> tuple[Answer, tuple[Packet, ...], int]:
    async def run() -> tuple[Answer, tuple[Packet, ...], int]:
        responders = Responders()
        await responders.start_pod(web((80, Protocol.TCP)), wire.server)
        try:
            async with capture(wire.client, limit=limit) as capturing:
                answer, *_ = await AsyncioEngine().probe(
                    [wire.to_server(80)] * attempts, timeout_s=timeout_s
                )
        finally:
            await responders.close()
        return answer, capturing.packets, capturing.dropped

    return asyncio.run(run())


def test_a_capture_holds_the_whole_conversation(wire: Hosts) -> None:
    answer, packets, dropped = captured(wire)

    tcp = [packet for packet in packets if packet.protocol == TCP]
    syn, syn_ack, *_rest = tcp
    assert (syn.direction, syn.source, syn.destination) == (Direction.OUT, CLIENT, SERVER)
    assert (syn.sport, syn.dport, syn.flags) == (answer.source_port, 80, TcpFlags.SYN)
    assert (syn_ack.direction, syn_ack.source, syn_ack.interface) == (Direction.IN, SERVER, "eth0")
    assert syn_ack.is_syn_ack
    assert 0 <= syn_ack.time_ns - syn.time_ns < 10**9
    assert dropped == 0
    assert stranger_replies(packets, FLOW, [answer.source_port]) == Replies(addresses=(SERVER,))


def test_a_capture_keeps_the_last_packets_and_counts_the_others(wire: Hosts) -> None:
    _answer, packets, dropped = captured(wire, attempts=50, limit=10)

    assert len(packets) == 10
    assert dropped >= 50 * 5 - 10


def test_what_happened_before_the_end_is_in_the_capture(wire: Hosts) -> None:
    async def run() -> list[tuple[Direction, IPv4Address]]:
        with wire.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            async with capture(wire.client) as capturing:
                sock.connect((str(SERVER), 81))
                sock.send(b"nobody reads this")
                with pytest.raises(ConnectionRefusedError):
                    sock.recv(10)  # the loop stands still until the refusal has come
            return [
                (packet.direction, packet.destination)
                for packet in capturing.packets
                if packet.protocol in {UDP, ICMP}
            ]

    assert asyncio.run(run()) == [(Direction.OUT, SERVER), (Direction.IN, CLIENT)]


def test_a_reply_that_was_not_translated_back_is_a_strangers(wire: Hosts) -> None:
    # The destination is rewritten without conntrack, so nothing rewrites the reply.
    rule = f"""table ip t {{ chain c {{ type filter hook prerouting priority -300
        ip daddr {SERVER} tcp dport 80 ip daddr set {SECOND} notrack
    }}; }}"""
    wire.server.execute(["nft", "-f", "-"], stdin=rule)

    answer, packets, _dropped = captured(wire, timeout_s=0.3)

    assert answer.outcome is Outcome.TIMED_OUT
    assert stranger_replies(packets, FLOW, [answer.source_port]) == Replies(
        addresses=(SECOND,), strangers=(SECOND,), source_answers="RST"
    )


def test_a_datagram_of_a_stranger_does_not_reach_the_probe(wire: Hosts) -> None:
    flow = Flow(source="client", address=SERVER, dport=80, protocol=Protocol.UDP)

    async def run() -> tuple[Answer, tuple[Packet, ...]]:
        loop = asyncio.get_running_loop()
        asked = wire.server.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        other = wire.server.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        with asked, other:
            asked.bind((str(SERVER), 80))
            other.bind((str(SECOND), 80))
            async with capture(wire.client) as capturing:
                probing = asyncio.create_task(
                    AsyncioEngine().probe([wire.to_server(80, Protocol.UDP)], timeout_s=0.3)
                )
                data, peer = await loop.sock_recvfrom(asked, 100)
                other.sendto(data, peer)
                (answer,) = await probing
        return answer, capturing.packets

    answer, packets = asyncio.run(run())

    assert answer.outcome is Outcome.TIMED_OUT
    assert stranger_replies(packets, flow) == Replies(
        addresses=(SECOND,), strangers=(SECOND,), source_answers="port-unreachable"
    )
