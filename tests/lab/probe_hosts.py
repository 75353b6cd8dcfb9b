"""Two hosts on one wire, for the tests of probes and responders: plain namespaces, no cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from labkit.cluster.model import Container, ContainerPort, Pod, Protocol
from labkit.cluster.object_names import ObjectName
from labkit.errors import MissingFeature
from labkit.kernel.netns import Edge, Namespace
from labkit.probe.attempt import Attempt

CLIENT = IPv4Address("192.168.0.1")
SERVER = IPv4Address("192.168.0.2")
SECOND = IPv4Address("192.168.0.3")
"""The server's other address."""
BEYOND = "198.51.100.0/24"
"""A network that the client reaches through the server."""
FAR = IPv4Address("198.51.100.1")


@dataclass(frozen=True)
class Hosts:
    client: Namespace
    server: Namespace

    def to_server(
        self, port: int, protocol: Protocol = Protocol.TCP, address: IPv4Address = SERVER
    ) -> Attempt:
        return Attempt(namespace=self.client, address=address, port=port, protocol=protocol)


@contextmanager
def hosts() -> Iterator[Hosts]:
    with Edge() as edge:
        try:
            client, server = edge.namespace("client"), edge.namespace("server")
        except MissingFeature as error:
            pytest.skip(str(error))
        client.execute(
            [
                *("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0"),
                *("netns", f"/proc/{os.getpid()}/fd/{server.fd}"),
            ]
        )
        for namespace, addresses in ((client, [CLIENT]), (server, [SERVER, SECOND])):
            for address in addresses:
                namespace.execute(["ip", "address", "add", f"{address}/24", "dev", "eth0"])
            # With the limit some REJECTs are never heard of.
            namespace.write_sysctls({"net/ipv4/icmp_ratelimit": "0"})
            namespace.execute(["ip", "link", "set", "lo", "up"])
            namespace.execute(["ip", "link", "set", "eth0", "up"])
        for namespace in (client, server):
            # A link drops everything until the kernel's link watch has seen its carrier.
            while "state UP" not in namespace.execute(["ip", "link", "show", "eth0"]):
                pass
        client.execute(["ip", "route", "add", BEYOND, "via", str(SERVER)])
        yield Hosts(client, server)


def web(*ports: tuple[int, Protocol], name: str = "web-1", host_network: bool = False) -> Pod:
    """A pod with the responder on ``ports``; its namespace is the server's."""
    return Pod(
        key=ObjectName("default", name),
        node="node1",
        address=SERVER,
        host_network=host_network,
        containers=(
            Container(
                name="c",
                ports=tuple(ContainerPort(port=port, protocol=kind) for port, kind in ports),
            ),
        ),
    )


def open_files() -> set[str]:
    """What this process has open, by number and what it is."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:  # the directory's own descriptor
            continue
    return found
