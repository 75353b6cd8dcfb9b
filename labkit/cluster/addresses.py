"""Addresses that a scenario leaves out, chosen so that the same file always gets the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from labkit.errors import UsageError


def usable(network: IPv4Network, *, first: int = 1) -> Iterator[IPv4Address]:
    """Addresses of ``network`` from its ``first``-th on, without network and broadcast address."""
    start, end = int(network.network_address), int(network.broadcast_address)
    return (IPv4Address(value) for value in range(start + max(first, 1), end))


def take(candidates: Iterator[IPv4Address], taken: set[IPv4Address], *, what: str) -> IPv4Address:
    """Return the first free candidate and mark it taken.

    Raises:
        UsageError: every candidate is taken; the message says for whom there is no address.
    """
    for address in candidates:
        if address not in taken:
            taken.add(address)
            return address
    raise UsageError(f"no address is left for {what}; widen the range it is taken from")


def last_free(network: IPv4Network, taken: Iterable[IPv4Address]) -> IPv4Address:
    """Return the highest usable address that nobody has: where a LAN's router likes to sit."""
    used = set(taken)
    for value in range(int(network.broadcast_address) - 1, int(network.network_address), -1):
        if (address := IPv4Address(value)) not in used:
            return address
    raise UsageError(f"no address of {network} is left for the LAN's router")


def first_free_port(allowed: range, taken: set[int], *, what: str) -> int:
    """Return the first port of ``allowed`` that is not taken and mark it taken.

    Raises:
        UsageError: every port is taken.
    """
    for port in allowed:
        if port not in taken:
            taken.add(port)
            return port
    raise UsageError(
        f"no port of {allowed.start}-{allowed.stop - 1} is left for {what}; widen nodePortRange"
    )
