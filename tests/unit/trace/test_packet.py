from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from labkit.trace.packet import ICMP, TCP, UDP, Direction, Packet, TcpFlags, read_packet
from tests.unit.probe.clusters import seeded

CLIENT = IPv4Address("192.168.0.100")
NODE = IPv4Address("192.168.0.2")


def ipv4(protocol: int, body: bytes, *, options: bytes = b"", fragment: int = 0) -> bytes:
    return (
        struct.pack(
            "!BBHHHBBH4s4s",
            0x45 + len(options) // 4,
            0,
            20 + len(options) + len(body),
            1,
            fragment,
            63,
            protocol,
            0,
            CLIENT.packed,
            NODE.packed,
        )
        + options
        + body
    )


def tcp(flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, 30080, 1, 0, 0x50, flags, 64240, 0, 0)


def read(data: bytes) -> Packet | None:
    return read_packet(data, direction=Direction.OUT, time_ns=5, interface="eth0")


def test_a_syn_is_read_from_its_headers() -> None:
    assert read(ipv4(TCP, tcp(0x02))) == Packet(
        direction=Direction.OUT,
        time_ns=5,
        interface="eth0",
        source=CLIENT,
        destination=NODE,
        protocol=TCP,
        sport=40000,
        dport=30080,
        flags=TcpFlags.SYN,
        ttl=63,
        length=40,
        identification=1,
    )


@pytest.mark.parametrize(
    ("flags", "is_syn_ack"), [(0x02, False), (0x12, True), (0x10, False), (0x14, False)]
)
def test_a_syn_ack_has_both_flags(flags: int, is_syn_ack: bool) -> None:  # noqa: FBT001
    packet = read(ipv4(TCP, tcp(flags)))

    assert packet is not None
    assert packet.is_syn_ack is is_syn_ack


def test_options_do_not_shift_the_ports() -> None:
    packet = read(ipv4(UDP, struct.pack("!HHHH", 53, 5353, 8, 0), options=bytes(8)))

    assert packet is not None
    assert (packet.sport, packet.dport) == (53, 5353)


def test_a_later_fragment_has_no_ports() -> None:
    packet = read(ipv4(UDP, b"\x00\x35\x00\x35rest", fragment=185))

    assert packet is not None
    assert (packet.sport, packet.dport, packet.protocol) == (0, 0, UDP)


def test_an_icmp_error_tells_what_it_is_about() -> None:
    about = ipv4(UDP, struct.pack("!HHHH", 8080, 40000, 8, 0))
    packet = read(ipv4(ICMP, struct.pack("!BBHI", 3, 3, 0, 0) + about))

    assert packet is not None
    assert packet.icmp == (3, 3)
    assert packet.quoted is not None
    assert (packet.quoted.sport, packet.quoted.dport) == (8080, 40000)


def test_an_echo_request_is_about_nothing() -> None:
    packet = read(ipv4(ICMP, struct.pack("!BBHI", 8, 0, 0, 0) + ipv4(UDP, bytes(8))))

    assert packet is not None
    assert (packet.icmp, packet.quoted) == ((8, 0), None)


def test_errors_that_quote_errors_end() -> None:
    data = b""
    for _ in range(2000):
        data = ipv4(ICMP, struct.pack("!BBHI", 3, 3, 0, 0) + data[:60000])

    packet = read(data)

    assert packet is not None
    assert packet.quoted is None


@pytest.mark.parametrize("data", [b"", b"\x45", bytes(40), b"\x60" + bytes(39)])
def test_what_is_no_ipv4_packet_is_none(data: bytes) -> None:
    assert read(data) is None


def test_no_bytes_make_it_fail() -> None:
    rng = seeded(11)
    whole = ipv4(ICMP, struct.pack("!BBHI", 3, 3, 0, 0) + ipv4(TCP, tcp(0x12)))

    for _ in range(3000):
        data = bytearray(whole[: rng.randrange(len(whole) + 1)])
        for _ in range(3):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        read(bytes(data))


def udp(source: str, destination: str, ports: tuple[int, int], payload: bytes) -> bytes:
    body = struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload
    head = (0x45, 0, 20 + len(body), 7, 0, 64, 17, 0)
    addresses = IPv4Address(source).packed + IPv4Address(destination).packed
    return struct.pack("!BBHHHBBH", *head) + addresses + body


def received(data: bytes) -> Packet:
    found = read_packet(data, direction=Direction.IN, time_ns=0, interface="eth0")
    assert found is not None
    return found


def test_a_copy_that_nat_rewrote_has_the_same_identity_and_another_packet_has_not() -> None:
    sent = received(udp("192.168.0.100", "10.96.0.10", (40000, 53), b"hostname"))
    moved = received(udp("192.168.0.2", "10.244.1.2", (50000, 5353), b"hostname"))
    other = received(udp("192.168.0.100", "10.96.0.10", (40000, 53), b"clientip"))

    assert sent.identity == moved.identity != other.identity


def test_a_packet_in_vxlan_is_the_packet_inside() -> None:
    inner = udp("10.244.2.0", "10.244.1.2", (40000, 53), b"hostname")
    frame = bytes.fromhex("0800000000000100") + bytes(12) + b"\x08\x00" + inner
    outer = udp("192.168.0.2", "192.168.0.1", (50001, 8472), frame)

    carried = received(outer)

    assert (str(carried.source), carried.dport) == ("10.244.2.0", 53)
    assert carried.tunnel == (IPv4Address("192.168.0.2"), IPv4Address("192.168.0.1"))
    assert carried.identity == received(inner).identity


def test_other_packets_to_vxlans_port_are_what_they_are() -> None:
    packet = received(
        udp("192.168.0.2", "192.168.0.1", (50001, 8472), b"no vxlan, but long enough to be")
    )

    assert (packet.dport, packet.tunnel) == (8472, None)


def test_the_payloads_length_leaves_the_headers_out() -> None:
    assert received(udp("10.0.0.1", "10.0.0.2", (1, 2), b"hostname")).payload_bytes == 8
