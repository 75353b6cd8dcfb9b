from __future__ import annotations

from ipaddress import IPv4Address

from labkit.cluster.model import Protocol
from labkit.probe.flow import Flow
from labkit.trace.capture import Replies, stranger_replies
from labkit.trace.packet import ICMP, TCP, UDP, Direction, Packet, TcpFlags

CLIENT = IPv4Address("192.168.0.100")
NODE = IPv4Address("192.168.0.2")
POD = IPv4Address("10.244.1.2")
FLOW = Flow(source="client", address=NODE, dport=30080)
SYN, ACK, RST = TcpFlags.SYN, TcpFlags.ACK, TcpFlags.RST


def sent(
    to: IPv4Address, dport: int, flags: TcpFlags, *, sport: int = 40000, protocol: int = TCP
) -> Packet:
    return Packet(
        direction=Direction.OUT,
        time_ns=0,
        interface="eth0",
        source=CLIENT,
        destination=to,
        protocol=protocol,
        sport=sport,
        dport=dport,
        flags=flags,
    )


def came(
    source: IPv4Address, sport: int, flags: TcpFlags, *, dport: int = 40000, protocol: int = TCP
) -> Packet:
    return Packet(
        direction=Direction.IN,
        time_ns=0,
        interface="eth0",
        source=source,
        destination=CLIENT,
        protocol=protocol,
        sport=sport,
        dport=dport,
        flags=flags,
    )


def test_a_reply_from_the_pods_own_address_is_a_strangers_and_is_answered_rst() -> None:
    packets = [
        sent(NODE, 30080, SYN),
        came(POD, 8080, SYN | ACK),
        sent(POD, 8080, RST),
        sent(NODE, 30080, SYN),
    ]

    want = Replies(addresses=(POD,), strangers=(POD,), source_answers="RST")
    assert stranger_replies(packets, FLOW, [40000]) == want
    assert stranger_replies(packets, FLOW) == want


def test_a_reply_from_the_address_asked_is_no_strangers() -> None:
    packets = [
        sent(NODE, 30080, SYN),
        came(NODE, 30080, SYN | ACK),
        sent(NODE, 30080, ACK),
        sent(NODE, 30080, RST),
    ]

    assert stranger_replies(packets, FLOW) == Replies(addresses=(NODE,))


def test_a_refusal_is_no_reply() -> None:
    packets = [sent(NODE, 30080, SYN), came(NODE, 30080, RST | ACK)]

    assert stranger_replies(packets, FLOW) == Replies()


def test_silence_has_no_replies() -> None:
    assert stranger_replies([sent(NODE, 30080, SYN)] * 3, FLOW) == Replies()
    assert stranger_replies([], FLOW) == Replies()


def test_other_flows_of_the_same_host_do_not_count() -> None:
    packets = [
        sent(NODE, 30080, SYN),
        sent(NODE, 30081, SYN, sport=41000),
        came(POD, 8080, SYN | ACK, dport=41000),
        sent(POD, 8080, RST, sport=41000),
    ]

    assert stranger_replies(packets, FLOW) == Replies()


def test_a_datagram_from_a_stranger_is_answered_port_unreachable() -> None:
    udp = Flow(source="client", address=NODE, dport=30080, protocol=Protocol.UDP)
    none = TcpFlags(0)
    reply = came(POD, 8080, none, protocol=UDP)
    error = Packet(
        direction=Direction.OUT,
        time_ns=0,
        interface="eth0",
        source=CLIENT,
        destination=POD,
        protocol=ICMP,
        icmp=(3, 3),
        quoted=reply,
    )

    assert stranger_replies([sent(NODE, 30080, none, protocol=UDP), reply, error], udp) == Replies(
        addresses=(POD,), strangers=(POD,), source_answers="port-unreachable"
    )
