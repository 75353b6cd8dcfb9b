"""Paths made by hand, for every report of them."""

from __future__ import annotations

from ipaddress import IPv4Address

from labkit.probe.flow import Flow, Outcome, Via
from labkit.trace.packet import Direction
from labkit.trace.path import Address, Change, End, Fate, Hop, HostKind, Leg, Path

CLIENT = Address(IPv4Address("192.168.0.100"), 40000)
ASKED = Address(IPv4Address("192.168.0.2"), 30080)
NODE2 = Address(IPv4Address("192.168.0.2"), 50000)
POD = Address(IPv4Address("10.244.1.2"), 80)
FLOW = Flow(
    source="client",
    address=ASKED.ip,
    dport=ASKED.port,
    service="default/my-nginx",
    port="http",
    via=Via.NODE_PORT,
    node="node2",
)
DNAT = Change(
    field="destination",
    before=ASKED,
    after=POD,
    by="KUBE-SEP-A",
    chains=("PREROUTING", "KUBE-SERVICES", "KUBE-SEP-A"),
    rule="-A KUBE-SEP-A -j DNAT --to-destination 10.244.1.2:80",
)
SNAT = Change(
    field="source", before=CLIENT, after=NODE2, by="KUBE-POSTROUTING", marked_by="KUBE-EXT-A"
)


def hop(
    host: str,
    interface: str,
    direction: Direction,
    source: Address,
    destination: Address,
    *changes: Change,
) -> Hop:
    kind = {"c": HostKind.CLIENT, "n": HostKind.NODE}.get(host[0], HostKind.POD)
    return Hop(
        host=host,
        kind=kind,
        interface=interface,
        direction=direction,
        source=source,
        destination=destination,
        changes=changes,
    )


OUT, IN = Direction.OUT, Direction.IN
REQUEST = Leg(
    packet="SYN",
    hops=(
        hop("client", "eth0", OUT, CLIENT, ASKED),
        hop("node2", "eth0", IN, CLIENT, ASKED),
        hop("node2", "cni0", OUT, NODE2, POD, DNAT, SNAT),
        hop("node2", "veth-web-1", OUT, NODE2, POD),
        hop("web-1", "eth0", IN, NODE2, POD),
    ),
    end=End(fate=Fate.DELIVERED, host="web-1"),
)
REPLY = Leg(
    packet="SYN, ACK",
    hops=(
        hop("web-1", "eth0", OUT, POD, NODE2),
        hop("client", "eth0", IN, ASKED, CLIENT),
    ),
    end=End(fate=Fate.DELIVERED, host="client"),
    is_reply=True,
)
DROPPED = Leg(
    packet="SYN",
    hops=REQUEST.hops[:2],
    end=End(
        fate=Fate.DROPPED,
        host="node2",
        by="KUBE-EXTERNAL-SERVICES",
        chains=("INPUT", "KUBE-EXTERNAL-SERVICES"),
        rule='-A KUBE-EXTERNAL-SERVICES -m comment --comment "no local endpoints" -j DROP',
    ),
    sent_again=1,
)
CONNECTED = Path(
    flow=FLOW,
    dataplane="iptables",
    legs=(REQUEST, REPLY),
    outcome=Outcome.CONNECTED,
    pod="web-1",
    source_seen=NODE2.ip,
    verdict="connected: web-1 answered, and saw 192.168.0.2 (node2) instead of client",
    specified="connected by web-1, source node2: node2 masquerades it",
    more_packets=8,
)
SILENT = Path(
    flow=FLOW,
    dataplane="iptables",
    legs=(DROPPED,),
    outcome=Outcome.TIMED_OUT,
    verdict="timed out: node2 dropped the packet in KUBE-EXTERNAL-SERVICES: no local endpoints",
)
NOT_SENT = Path(
    flow=FLOW,
    dataplane="iptables",
    legs=(),
    outcome=Outcome.UNREACHABLE,
    verdict="unreachable: client sent nothing: it has no route to 192.168.0.2, or nobody there has"
    " the address of the next hop",
    notes=("this kernel does not trace rules on node2: who rewrote a packet is not told",),
)
