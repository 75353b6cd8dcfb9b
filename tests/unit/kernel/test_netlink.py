"""Every message is byte for byte what pyroute2 makes of the same wish."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

import pytest
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from labkit.errors import KernelError
from labkit.kernel import netlink
from labkit.kernel.netlink import Request, Veth

POD = IPv4Address("10.180.0.2")
NODE1 = IPv4Address("192.168.0.1")
NODE2 = IPv4Address("192.168.0.2")
SERVICES = IPv4Network("172.30.0.0/16")
ANYWHERE = IPv4Network("0.0.0.0/0")
UP = {"flags": 1, "change": 1}
NEW = netlink.REQUEST | netlink.CREATE | netlink.EXCLUSIVE


class Message(Protocol):
    """What a message class of pyroute2 makes."""

    data: bytearray

    def update(self, fields: Mapping[str, object], /) -> None: ...
    def __setitem__(self, name: str, value: object, /) -> None: ...
    def encode(self) -> None: ...


def encoded(
    kind: Callable[[], Message], fields: Mapping[str, object], *attributes: tuple[str, object]
) -> bytes:
    """The body that pyroute2 makes, without the header."""
    message = kind()
    message.update(fields)
    message["attrs"] = list(attributes)
    message.encode()
    return bytes(message.data[16:])


def link(index: int, *attributes: tuple[str, object], up: bool = False) -> bytes:
    return encoded(ifinfmsg, {"index": index, **(UP if up else {})}, *attributes)


def info(kind: str, *data: tuple[str, object]) -> tuple[str, object]:
    attributes: list[tuple[str, object]] = [("IFLA_INFO_KIND", kind)]
    return ("IFLA_LINKINFO", {"attrs": [*attributes, ("IFLA_INFO_DATA", {"attrs": list(data)})]})


def route(prefix: int, kind: int, scope: int, flags: int, *attributes: tuple[str, object]) -> bytes:
    fields = {
        "family": socket.AF_INET,
        "dst_len": prefix,
        "table": 254,
        "proto": 4,
        "scope": scope,
        "type": kind,
        "flags": flags,
    }
    return encoded(rtmsg, fields, *attributes)


def neighbour(
    family: int, flags: int, first: tuple[str, object], second: tuple[str, object]
) -> bytes:
    fields = {"family": family, "ifindex": 4, "state": 0x80, "flags": flags}
    return encoded(ndmsg, fields, first, second)


def address(prefix: int, *attributes: tuple[str, object]) -> bytes:
    return encoded(
        ifaddrmsg, {"family": socket.AF_INET, "prefixlen": prefix, "index": 2}, *attributes
    )


def veth_body(port: list[tuple[str, object]], *of_peer: tuple[str, object]) -> bytes:
    peer: list[tuple[str, object]] = [("IFLA_IFNAME", "eth0"), ("IFLA_MTU", 1450), *of_peer]
    pair = ("VETH_INFO_PEER", {"index": 2, "attrs": peer})
    attributes = [("IFLA_IFNAME", "veth-web"), ("IFLA_MTU", 1450), *port, info("veth", pair)]
    return link(0, *attributes, up=True)


HAIRPIN = (
    "IFLA_LINKINFO",
    {
        "attrs": [
            ("IFLA_INFO_SLAVE_KIND", "bridge"),
            ("IFLA_INFO_SLAVE_DATA", {"attrs": [("IFLA_BRPORT_MODE", 1)]}),
        ]
    },
)
VXLAN = (
    ("IFLA_VXLAN_ID", 1),
    ("IFLA_VXLAN_LOCAL", str(NODE1)),
    ("IFLA_VXLAN_LEARNING", 0),
    ("IFLA_VXLAN_PORT", 8472),
)
MAC = "0e:1b:c0:a8:00:01"

CASES = {
    "bridge": (
        netlink.new_bridge("cni0", 3),
        link(
            3,
            ("IFLA_IFNAME", "cni0"),
            info(
                "bridge",
                ("IFLA_BR_FORWARD_DELAY", 0),
                ("IFLA_BR_STP_STATE", 0),
                ("IFLA_BR_MCAST_SNOOPING", 0),
            ),
            up=True,
        ),
    ),
    "veth in a bridge": (
        Veth(name="veth-web", namespace_fd=9, bridge=3, mtu=1450).request(),
        veth_body([("IFLA_NET_NS_FD", 9), ("IFLA_MASTER", 3)]),
    ),
    "veth in no bridge": (
        Veth(name="veth-web", namespace_fd=9, mtu=1450).request(),
        veth_body([("IFLA_NET_NS_FD", 9)]),
    ),
    "veth whose peer has a pod's MAC": (
        Veth(name="veth-web", namespace_fd=9, mtu=1450, peer_mac=netlink.pod_mac(NODE1)).request(),
        veth_body([("IFLA_NET_NS_FD", 9)], ("IFLA_ADDRESS", "0a:58:c0:a8:00:01")),
    ),
    "vxlan": (
        netlink.new_vxlan("flannel.1", 4, NODE1, 1450),
        link(
            4,
            ("IFLA_IFNAME", "flannel.1"),
            ("IFLA_MTU", 1450),
            ("IFLA_ADDRESS", MAC),
            info("vxlan", *VXLAN),
            up=True,
        ),
    ),
    "link up": (netlink.link_up(2, "eth0"), link(2, up=True)),
    "hairpin": (netlink.hairpin("veth-web"), link(0, ("IFLA_IFNAME", "veth-web"), HAIRPIN)),
    "delete a link": (netlink.delete_link("eth0"), link(0, ("IFLA_IFNAME", "eth0"))),
    "address": (
        netlink.new_address(2, POD, 20),
        address(
            20,
            ("IFA_LOCAL", str(POD)),
            ("IFA_ADDRESS", str(POD)),
            ("IFA_BROADCAST", "10.180.15.255"),
        ),
    ),
    "address without a network": (
        netlink.new_address(2, POD, 32),
        address(32, ("IFA_LOCAL", str(POD)), ("IFA_ADDRESS", str(POD))),
    ),
    "route by a gateway": (
        netlink.new_route(SERVICES, via=NODE1),
        route(16, 1, 0, 0, ("RTA_DST", "172.30.0.0"), ("RTA_GATEWAY", str(NODE1))),
    ),
    "default route, on-link": (
        netlink.new_route(ANYWHERE, via=NODE1, index=2, onlink=True),
        route(0, 1, 0, 4, ("RTA_GATEWAY", str(NODE1)), ("RTA_OIF", 2)),
    ),
    "route by a link": (
        netlink.new_route(SERVICES, index=7),
        route(16, 1, 253, 0, ("RTA_DST", "172.30.0.0"), ("RTA_OIF", 7)),
    ),
    "route to nowhere": (
        netlink.new_route(ANYWHERE, blackhole=True),
        route(0, 6, 0, 0),
    ),
    "neighbour": (
        netlink.new_neighbour(4, POD, netlink.vxlan_mac(NODE1)),
        neighbour(socket.AF_INET, 0, ("NDA_DST", str(POD)), ("NDA_LLADDR", MAC)),
    ),
    "no neighbour": (
        netlink.delete_neighbour(4, POD),
        encoded(ndmsg, {"family": socket.AF_INET, "ifindex": 4}, ("NDA_DST", str(POD))),
    ),
    "vxlan peer": (
        netlink.new_vxlan_peer(4, netlink.vxlan_mac(NODE1), NODE2),
        neighbour(socket.AF_BRIDGE, 2, ("NDA_LLADDR", MAC), ("NDA_DST", str(NODE2))),
    ),
}


@pytest.mark.parametrize(("request_", "body"), CASES.values(), ids=CASES)
def test_a_message_is_what_pyroute2_makes_of_it(request_: Request, body: bytes) -> None:
    assert request_.body == body


@pytest.mark.parametrize("request_", [case[0] for case in CASES.values()], ids=CASES)
def test_what_is_new_must_not_be_there_already(request_: Request) -> None:
    changes = ("set ", "delete ")
    assert request_.flags == (netlink.REQUEST if str(request_.what).startswith(changes) else NEW)


def test_a_header_counts_its_message_and_asks_for_an_answer_only_if_told() -> None:
    request = netlink.link_up(2, "eth0")
    quiet, asking = (netlink.encode(request, 7, acknowledge=each) for each in (False, True))

    assert struct.unpack_from("=IHHII", quiet) == (len(quiet), 16, 0x1, 7, 0)
    assert struct.unpack_from("=IHHII", asking) == (len(asking), 16, 0x5, 7, 0)
    assert quiet[16:] == asking[16:] == request.body


def answer(sequence: int, code: int, *, reason: str = "", capped: bool = True) -> bytes:
    """An acknowledgement as the kernel lays it out: netlink(7), NLMSG_ERROR."""
    asked = netlink.encode(netlink.link_up(2, "eth0"), sequence, acknowledge=True)
    body = struct.pack("=i", -code) + (asked[:16] if capped or not code else asked)
    flags = (netlink.CAPPED if capped or not code else 0) | (netlink.ACK_TLVS if reason else 0)
    if reason:
        body += netlink.number(2, 36) + netlink.text(1, reason)  # the offset comes first
    return struct.pack("=IHHII", 16 + len(body), 2, flags, sequence, 0) + body


@pytest.mark.parametrize("capped", [True, False])
def test_answers_carry_the_kernels_reason(*, capped: bool) -> None:
    data = answer(3, errno.EINVAL, reason="Nexthop has invalid gateway", capped=capped)

    assert netlink.read_answers(data) == [(3, errno.EINVAL, "Nexthop has invalid gateway")]


def test_answers_without_a_reason_and_other_messages_between_them() -> None:
    other = struct.pack("=IHHII", 20, 16, 2, 1, 0) + b"news"

    found = netlink.read_answers(answer(1, errno.EEXIST) + other + answer(2, 0))

    assert found == [(1, errno.EEXIST, ""), (2, 0, "")]


class Kernel:
    """Two sockets: what a batch is sent to, and what the test answers with."""

    def __init__(self) -> None:
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

    def answer(self, *datagrams: bytes) -> None:
        for each in datagrams:
            self.theirs.send(each)

    def received(self) -> list[bytes]:
        """Every datagram so far."""
        self.theirs.settimeout(0)
        found = []
        try:
            while True:
                found.append(self.theirs.recv(1 << 20))
        except BlockingIOError:
            return found

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    made = Kernel()
    yield made
    made.close()


def test_the_first_failure_is_raised_once_all_answers_are_read(kernel: Kernel) -> None:
    requests = [netlink.link_up(1, "lo"), netlink.new_route(SERVICES, via=NODE1)]
    requests.append(netlink.new_address(2, POD, 24))
    kernel.answer(
        answer(2, errno.EINVAL, reason="Nexthop has invalid gateway"), answer(3, errno.EEXIST)
    )

    with pytest.raises(KernelError) as caught:
        netlink.send(kernel.ours, requests, where="node1")

    assert str(caught.value) == (
        "node1: add route 172.30.0.0/16 via 192.168.0.1: Nexthop has invalid gateway"
    )
    assert caught.value.errno == errno.EINVAL
    assert len(kernel.received()) == 1
    kernel.ours.settimeout(0)
    with pytest.raises(BlockingIOError):
        kernel.ours.recv(1)


def test_no_requests_send_nothing(kernel: Kernel) -> None:
    netlink.send(kernel.ours, [], where="node1")

    assert kernel.received() == []


def test_many_requests_go_in_a_few_messages(kernel: Kernel) -> None:
    requests = [netlink.hairpin(f"veth-{number}") for number in range(netlink.BATCH + 2)]
    kernel.answer(answer(netlink.BATCH, 0), answer(2, 0))

    netlink.send(kernel.ours, requests, where="node1")

    first, second = kernel.received()
    assert len(first) + len(second) == sum(len(each.body) + 16 for each in requests)


def test_requests_are_made_when_they_are_sent(kernel: Kernel) -> None:
    made: list[Request] = []

    def requests() -> Iterator[Request]:
        for number in range(netlink.BATCH * 10):
            made.append(netlink.hairpin(f"veth-{number}"))
            yield made[-1]

    kernel.answer(answer(netlink.BATCH, 0), answer(1, errno.ENODEV), answer(netlink.BATCH, 0))

    with pytest.raises(KernelError, match=f"node1: set hairpin on veth-{netlink.BATCH}: "):
        netlink.send(kernel.ours, requests(), where="node1")

    assert len(made) == 2 * netlink.BATCH
    assert len(kernel.received()) == 2


def test_nothing_is_sent_after_a_message_that_failed(kernel: Kernel) -> None:
    requests = [netlink.hairpin(f"veth-{number}") for number in range(netlink.BATCH + 2)]
    kernel.answer(answer(1, errno.ENODEV), answer(netlink.BATCH, 0))

    with pytest.raises(KernelError, match="node1: set hairpin on veth-0: No such device"):
        netlink.send(kernel.ours, requests, where="node1")

    assert len(kernel.received()) == 1
