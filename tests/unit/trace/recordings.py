"""Recordings made by hand: the three stories, as captures and rule events of three hosts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

from labkit.trace.packet import TCP, Direction, Packet, TcpFlags
from labkit.trace.path import Address, HostKind
from labkit.trace.recording import Captured, Host, Place, Recording, Step, Traversal
from labkit.trace.trail import Ask

CLIENT, NODE1, NODE2, POD = map(
    IPv4Address, ("192.168.0.100", "192.168.0.1", "192.168.0.2", "10.244.1.2")
)
SYN, ACK, RST = TcpFlags.SYN, TcpFlags.ACK, TcpFlags.RST
OUT, IN = Direction.OUT, Direction.IN
ASK = Ask(host="client", protocol=TCP, destination=Address(NODE2, 30080), source_port=40000)
HOSTS = {
    "client": Host(name="client", kind=HostKind.CLIENT, addresses=frozenset({CLIENT})),
    "node1": Host(name="node1", kind=HostKind.NODE, addresses=frozenset({NODE1})),
    "node2": Host(name="node2", kind=HostKind.NODE, addresses=frozenset({NODE2})),
    "web-1": Host(name="web-1", kind=HostKind.POD, addresses=frozenset({POD})),
}
DNAT = "-A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.244.1.2:80"
MASQUERADE = '-A KUBE-POSTROUTING -m comment --comment "DNAT is no word here" -j MASQUERADE'


def packet(
    source: tuple[IPv4Address, int],
    destination: tuple[IPv4Address, int],
    *,
    flags: TcpFlags = SYN,
    identity: bytes | None = None,
) -> Packet:
    return Packet(
        direction=OUT,
        time_ns=0,
        interface="eth0",
        source=source[0],
        sport=source[1],
        destination=destination[0],
        dport=destination[1],
        protocol=TCP,
        flags=flags,
        ttl=64,
        identity=identity if identity is not None else bytes([flags.value]),
    )


def seen(host: str, direction: Direction, what: Packet, at_ms: float, *, ttl: int = 64) -> Captured:
    return Captured(host, replace(what, direction=direction, time_ns=round(at_ms * 1e6), ttl=ttl))


def step(
    table: str, chain: str, rule: int, text: str = "", *, drops: bool = False, mark: int = 0
) -> Step:
    return Step(place=Place(table, chain, rule), text=text, drops=drops, mark=mark)


def recording(
    *captured: Captured, rules: dict[str, tuple[Traversal, ...]] | None = None, **more: object
) -> Recording:
    return Recording(hosts=HOSTS, captured=captured, traversals=rules or {}, **more)  # type: ignore[arg-type]


ASKED = packet((CLIENT, 40000), (NODE2, 30080))
TO_POD = packet((CLIENT, 40000), (POD, 80))
MASQUERADED = packet((NODE2, 50000), (POD, 80))
POD_ANSWERS_NODE = packet((POD, 80), (NODE2, 50000), flags=SYN | ACK)
NODE_ANSWERS = packet((NODE2, 30080), (CLIENT, 40000), flags=SYN | ACK)
POD_ANSWERS_CLIENT = packet((POD, 80), (CLIENT, 40000), flags=SYN | ACK)
CLIENT_RESETS = packet((CLIENT, 40000), (POD, 80), flags=RST)
NAT = Traversal(
    packet=ASKED,
    steps=(
        step("nat", "PREROUTING", 1),
        step("nat", "KUBE-SERVICES", 2),
        step("nat", "KUBE-EXT-A", 3),
        step("nat", "KUBE-MARK-MASQ", 4, mark=0x4000),
        step("nat", "KUBE-MARK-MASQ", 0, mark=0x4000),
        step("nat", "KUBE-EXT-A", 5, mark=0x4000),
        step("nat", "KUBE-SEP-A", 6, DNAT, mark=0x4000),
    ),
)
SNAT = Traversal(
    packet=TO_POD,
    steps=(
        step("nat", "POSTROUTING", 7, mark=0x4000),
        step("nat", "KUBE-POSTROUTING", 8, MASQUERADE),
    ),
)
WITH_SNAT = recording(
    seen("client", OUT, ASKED, 0.0),
    seen("node2", IN, ASKED, 0.1),
    seen("node2", OUT, MASQUERADED, 0.2, ttl=63),
    seen("web-1", IN, MASQUERADED, 0.3, ttl=63),
    seen("web-1", OUT, POD_ANSWERS_NODE, 0.4),
    seen("node2", IN, POD_ANSWERS_NODE, 0.5),
    seen("node2", OUT, NODE_ANSWERS, 0.6, ttl=63),
    seen("client", IN, NODE_ANSWERS, 0.7, ttl=63),
    rules={"node2": (NAT, SNAT)},
)
WITHOUT_SNAT = recording(
    seen("client", OUT, ASKED, 0.0),
    seen("node2", IN, ASKED, 0.1),
    seen("node2", OUT, TO_POD, 0.2, ttl=63),
    seen("web-1", IN, TO_POD, 0.3, ttl=63),
    seen("web-1", OUT, POD_ANSWERS_CLIENT, 0.4),
    seen("client", IN, POD_ANSWERS_CLIENT, 0.5, ttl=63),
    seen("client", OUT, CLIENT_RESETS, 0.6),
    seen("client", OUT, ASKED, 1000.0),
    rules={"node2": (NAT,)},
)
DROPPED = recording(
    seen("client", OUT, ASKED, 0.0),
    seen("node2", IN, ASKED, 0.1),
    rules={
        "node2": (
            Traversal(
                packet=ASKED,
                steps=(
                    step("filter", "INPUT", 1),
                    step("filter", "KUBE-EXTERNAL-SERVICES", 2, "-A X -j DROP", drops=True),
                ),
            ),
        )
    },
)
