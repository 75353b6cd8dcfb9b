"""Messages about virtual servers and ipsets are byte for byte what pyroute2 makes of them."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network

import pytest
from pyroute2.netlink.generic import ipvs as ipvs_wire
from pyroute2.netlink.nfnetlink import NFNL_SUBSYS_IPSET
from pyroute2.netlink.nfnetlink import ipset as ipset_wire

from labkit.kernel import ipset, ipvs, netlink
from labkit.kernel.ipset import Element
from labkit.kernel.ipvs import Command, Server
from labkit.kernel.netlink import Request

SERVICE = IPv4Address("172.30.0.41")
POD = IPv4Address("10.180.1.2")
SERVER = Server(protocol=17, ip=SERVICE, port=53)
KEY: Sequence[object] = [
    ["IPVS_SVC_ATTR_AF", socket.AF_INET],
    ["IPVS_SVC_ATTR_PROTOCOL", 17],
    ["IPVS_SVC_ATTR_ADDR", str(SERVICE)],
    ["IPVS_SVC_ATTR_PORT", 53],
]
REAL: Sequence[object] = [
    ["IPVS_DEST_ATTR_ADDR_FAMILY", socket.AF_INET],
    ["IPVS_DEST_ATTR_ADDR", str(POD)],
    ["IPVS_DEST_ATTR_PORT", 8053],
]
NEW_REAL: Sequence[object] = [
    *REAL,
    ["IPVS_DEST_ATTR_FWD_METHOD", 0],
    ["IPVS_DEST_ATTR_WEIGHT", 1],
    ["IPVS_DEST_ATTR_U_THRESH", 0],
    ["IPVS_DEST_ATTR_L_THRESH", 0],
]


def service(scheduler: str, flags: int, timeout: int) -> Sequence[object]:
    return [
        *KEY,
        ["IPVS_SVC_ATTR_SCHED_NAME", scheduler],
        ["IPVS_SVC_ATTR_FLAGS", {"flags": flags, "mask": 0xFFFFFFFF}],
        ["IPVS_SVC_ATTR_TIMEOUT", timeout],
        ["IPVS_SVC_ATTR_NETMASK", "255.255.255.255"],
    ]


def about_servers(command: int, **attributes: Sequence[object]) -> bytes:
    message = ipvs_wire.ipvsmsg()
    message["cmd"], message["version"] = command, ipvs_wire.GENL_VERSION
    message["attrs"] = [
        [f"IPVS_CMD_ATTR_{name.upper()}", {"attrs": attrs}] for name, attrs in attributes.items()
    ]
    message.encode()
    return bytes(message.data[16:])


def only(commands: Iterable[Command]) -> Command:
    (found,) = commands
    return found


@pytest.mark.parametrize(
    ("command", "body"),
    [
        (
            ipvs.add_server(SERVER, scheduler="rr", persistent_s=None, hash_ports=False),
            about_servers(ipvs_wire.IPVS_CMD_NEW_SERVICE, service=service("rr", 0, 0)),
        ),
        (
            ipvs.change_server(SERVER, scheduler="mh", persistent_s=77, hash_ports=True),
            about_servers(ipvs_wire.IPVS_CMD_SET_SERVICE, service=service("mh", 0x11, 77)),
        ),
        (
            ipvs.delete_server(SERVER),
            about_servers(ipvs_wire.IPVS_CMD_DEL_SERVICE, service=KEY),
        ),
        (
            only(ipvs.add_real_servers(SERVER, [(POD, 8053)])),
            about_servers(ipvs_wire.IPVS_CMD_NEW_DEST, service=KEY, dest=NEW_REAL),
        ),
        (
            only(ipvs.delete_real_servers(SERVER, [(POD, 8053)])),
            about_servers(ipvs_wire.IPVS_CMD_DEL_DEST, service=KEY, dest=REAL),
        ),
        (ipvs.flush(), about_servers(ipvs_wire.IPVS_CMD_FLUSH)),
    ],
    ids=lambda value: str(value.what) if isinstance(value, Command) else "",
)
def test_a_command_of_ipvs_is_what_pyroute2_makes_of_it(command: Command, body: bytes) -> None:
    assert command.body == body


def address(value: IPv4Address) -> dict[str, object]:
    return {"attrs": [["IPSET_ATTR_IPADDR_IPV4", str(value)]]}


def about_a_set(command: int, *attributes: object) -> bytes:
    message = ipset_wire.ipset_msg()
    message["header"]["type"] = NFNL_SUBSYS_IPSET << 8 | command  # DATA's meaning depends on it
    message["nfgen_family"] = socket.AF_INET
    named = [["IPSET_ATTR_PROTOCOL", 6], ["IPSET_ATTR_SETNAME", "KUBE-X"]]
    message["attrs"] = [*named, *attributes]
    message.encode()
    return bytes(message.data[16:])


IP: Sequence[object] = ["IPSET_ATTR_IP_FROM", address(SERVICE)]
PORT: Sequence[object] = ["IPSET_ATTR_PORT", 53]
UDP: Sequence[object] = ["IPSET_ATTR_PROTO", 17]
RANGE: Sequence[object] = [
    ["IPSET_ATTR_IP2", address(IPv4Address("203.0.113.0"))],
    ["IPSET_ATTR_CIDR2", 24],
]


@pytest.mark.parametrize(
    ("element", "data"),
    [
        (Element(ip=SERVICE), [IP]),
        (Element(port=53), [PORT]),
        (Element(ip=SERVICE, protocol=17, port=53), [IP, PORT, UDP]),
        (
            Element(ip=SERVICE, protocol=17, port=53, second=POD),
            [IP, PORT, UDP, ["IPSET_ATTR_IP2", address(POD)]],
        ),
        (
            Element(ip=SERVICE, protocol=17, port=53, second=IPv4Network("203.0.113.0/24")),
            [IP, PORT, UDP, *RANGE],
        ),
    ],
    ids=str,
)
def test_an_element_is_what_pyroute2_makes_of_it(element: Element, data: Sequence[object]) -> None:
    attribute = ["IPSET_ATTR_DATA", {"attrs": data}]

    added, deleted = ipset.add("KUBE-X", element), ipset.delete("KUBE-X", element)

    assert added.body == about_a_set(ipset_wire.IPSET_CMD_ADD, attribute)
    assert deleted.body == about_a_set(ipset_wire.IPSET_CMD_DEL, attribute)
    # Without this flag the kernel takes what is there, or is not, for done.
    assert added.flags & deleted.flags & netlink.EXCLUSIVE


def test_a_set_is_flushed_as_pyroute2_does_it() -> None:
    assert ipset.flush("KUBE-X").body == about_a_set(ipset_wire.IPSET_CMD_FLUSH)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (ipset.add("KUBE-X", Element(ip=POD, protocol=6, port=80)), "add 10.180.1.2,6,80 to ipset"),
        (
            only(ipvs.add_real_servers(SERVER, [(POD, 8053)])),
            "add real server 10.180.1.2:8053 to 172.30.0.41",
        ),
    ],
    ids=["element", "real server"],
)
def test_what_is_refused_is_named(said: Request | Command, words: str) -> None:
    assert str(said.what).startswith(words)
