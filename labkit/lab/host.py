"""A client, node or pod of a lab, as something to probe: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from labkit.cluster.lookup import unknown
from labkit.cluster.model import Client, Node, Pod
from labkit.cluster.object_names import DEFAULT_NAMESPACE
from labkit.lab import arguments
from labkit.lab.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A client, node or pod of the lab, by its address."""

    name: str
    address: IPv4Address

    def port(self, number: int, protocol: str = "TCP") -> Target:
        """Return a port of this host, to probe.

        Raises:
            UsageError: it is no port or no protocol.
        """
        protocol = arguments.protocol(protocol)
        return Target(address=self.address, port=number, protocol=protocol)


def host_among(what: str, name: str, hosts: Mapping[str, Node | Client | Pod]) -> Host:
    """Return a host by name.

    Raises:
        UsageError: there is none of that name.
    """
    name = arguments.text(what, name, "give a name")
    found = name if name in hosts else name.removeprefix(f"{DEFAULT_NAMESPACE}/")
    if found not in hosts:
        raise unknown(what, name, hosts)
    return Host(name=found, address=hosts[found].address)
