from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from labkit.trace.follow import legs
from labkit.trace.packet import ICMP, NO_FLAGS, UDP, Packet
from labkit.trace.path import Fate
from tests.unit.trace.recordings import ASK, CLIENT, IN, NODE2, OUT, POD, packet, recording, seen

OTHER = IPv4Address("192.168.0.101")
OTHER_POD = IPv4Address("10.244.1.3")
ASKS = ASK._replace(protocol=UDP)
Where = tuple[IPv4Address, int]


def datagram(source: Where, destination: Where, payload: bytes, number: int = 0) -> Packet:
    made = packet(source, destination, flags=NO_FLAGS, identity=payload)
    return replace(made, protocol=UDP, identification=number)


def exchange(client: Where, snat: Where, pod: Where, number: int) -> list[Packet]:
    """The same question, and the same answer from a socket that is not connected."""
    return [
        datagram(client, (NODE2, 30080), b"labkit", number),
        datagram(snat, pod, b"labkit", number),
        datagram(pod, snat, b"{"),
        datagram((NODE2, 30080), client, b"{"),
    ]


def test_the_same_words_of_another_client_are_another_flow() -> None:
    asked, masqueraded, answer, answered = exchange((CLIENT, 40000), (NODE2, 50000), (POD, 80), 7)
    other, others, refuses, _ = exchange((OTHER, 40000), (NODE2, 50001), (OTHER_POD, 80), 9)
    refusal = replace(
        refuses, protocol=ICMP, icmp=(3, 3), quoted=others, sport=0, dport=0, identity=b"error"
    )
    found = recording(
        seen("node2", IN, other, 0.0),
        seen("client", OUT, asked, 0.1),
        seen("node2", IN, asked, 0.2),
        seen("node2", OUT, others, 0.3, ttl=63),
        seen("node2", OUT, masqueraded, 0.4, ttl=63),
        seen("node2", IN, refusal, 0.5),
        seen("web-1", IN, masqueraded, 0.6, ttl=63),
        seen("web-1", OUT, answer, 0.7),
        seen("node2", IN, answer, 0.8),
        seen("node2", OUT, answered, 0.9, ttl=63),
        seen("client", IN, answered, 1.0, ttl=63),
    )

    request, reply = legs(found, ASKS)

    assert [hop.source.ip for hop in request.hops] == [CLIENT, CLIENT, NODE2, NODE2]
    assert request.end.host == "web-1"
    assert (reply.is_reply, reply.end.fate, reply.end.host) == (True, Fate.DELIVERED, "client")


def test_a_datagram_sent_again_is_the_same_request() -> None:
    asked = datagram((CLIENT, 40000), (NODE2, 30080), b"labkit", 7)
    again = replace(asked, identification=8)
    found = recording(
        seen("client", OUT, asked, 0.0),
        seen("node2", IN, asked, 0.1),
        seen("client", OUT, again, 300.0),
        seen("node2", IN, again, 300.1),
    )

    (request,) = legs(found, ASKS)

    assert request.sent_again == 1
