"""Dummy devices and the addresses that they hold."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from typing import Final

from labkit.errors import KernelError, MissingFeature
from labkit.kernel import netlink
from labkit.kernel.netlink import Request
from labkit.kernel.netns import Namespace

HOST: Final = 32
REMEDY: Final = "modprobe dummy, a kernel with CONFIG_DUMMY, or --kernel uml"


def make_dummy(namespace: Namespace, name: str) -> None:
    """Make a dummy device without addresses; one of that name that exists is replaced.

    Raises:
        MissingFeature: the kernel has no dummy devices.
        KernelError: the kernel refused for another reason.
    """

    def act() -> None:
        with netlink.open_netlink() as sock:
            if name in (link for _, link in socket.if_nameindex()):
                netlink.send(sock, [netlink.delete_link(name)], where=namespace.name)
            netlink.send(sock, [netlink.new_dummy(name)], where=namespace.name)

    try:
        namespace.run(act)
    except KernelError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise MissingFeature("dummy", found=error.message, remedy=REMEDY) from error
        raise


def addresses(namespace: Namespace, device: str) -> str:
    """Return a device's IPv4 addresses as ip-address(8) lists them; empty if there is none."""
    listed = namespace.execute(["ip", "-brief", "-4", "address"]).splitlines()
    return "\n".join(line for line in listed if line.split()[0] == device)


def add_addresses(namespace: Namespace, device: str, addresses: Sequence[IPv4Address]) -> None:
    """Give a device addresses of one host each.

    Raises:
        KernelError: the kernel refused.
    """
    _change(namespace, device, addresses, netlink.new_address)


def delete_addresses(namespace: Namespace, device: str, addresses: Sequence[IPv4Address]) -> None:
    """Take addresses from a device.

    Raises:
        KernelError: the kernel refused.
    """
    _change(namespace, device, addresses, netlink.delete_address)


def _change(
    namespace: Namespace,
    device: str,
    addresses: Sequence[IPv4Address],
    request: Callable[[int, IPv4Address, int], Request],
) -> None:
    def act() -> None:
        index = socket.if_nametoindex(device)
        requests = (request(index, address, HOST) for address in addresses)
        with netlink.open_netlink() as sock:
            netlink.send(sock, requests, where=namespace.name)

    if addresses:
        namespace.run(act)
