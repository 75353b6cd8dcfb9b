"""Addresses that a scenario leaves out, chosen so that the same file always gets the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from labkit.errors import UsageError


def ipv4_of(text: str) -> IPv4Address:
    """The address that a valid text in canonical form is, four times as fast as its class."""
    first, second, third, fourth = map(int, text.split("."))
    return IPv4Address(first << 24 | second << 16 | third << 8 | fourth)


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


class Pool:
    """Addresses or ports in use, as numbers, and how often; finds the first that nobody has.

    It remembers where it has looked, so that one more costs the same however many there are.
    """

    def __init__(self, allowed: range) -> None:
        """Take the numbers that `take` may give."""
        self.allowed = allowed
        self._uses: dict[int, int] = {}
        self._next = allowed.start
        """Every allowed number below is in use."""

    def copy(self) -> Pool:
        """Return another pool that holds the same."""
        other = Pool(self.allowed)
        other._uses, other._next = self._uses.copy(), self._next
        return other

    def hold(self, numbers: Iterable[int]) -> None:
        """Count one use more of each number."""
        for number in numbers:
            self._uses[number] = self._uses.get(number, 0) + 1

    def release(self, numbers: Iterable[int]) -> None:
        """Count one use less of each number."""
        for number in numbers:
            left = self._uses[number] - 1
            if left:
                self._uses[number] = left
                continue
            del self._uses[number]
            if number in self.allowed:
                self._next = min(self._next, number)

    def take(self) -> int | None:
        """Return the first allowed number that is not in use and hold it; None if there is none."""
        for number in range(self._next, self.allowed.stop):
            if number not in self._uses:
                self._uses[number], self._next = 1, number + 1
                return number
        return None
