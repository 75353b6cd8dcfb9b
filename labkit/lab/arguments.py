"""What callers of the Python API give, checked where it comes in. Pure.

A wrong argument is told in a sentence that names it: what was found, and what to give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import PurePath
from typing import Final, TypeVar

from labkit.cluster.model import Protocol
from labkit.errors import UsageError
from labkit.manifest.kinds import LocatedCheck
from labkit.manifest.problems import nearest, quote

T = TypeVar("T")

PORTS: Final = range(1, 65536)
ATTEMPTS: Final = range(1, 100_001)
NODES: Final = range(1, 1001)
PACKETS: Final = range(1, 10_001)


def protocol(given: object) -> Protocol:
    """A protocol, in capitals as the API server writes it or not."""
    if isinstance(given, str) and given.upper() in Protocol.__members__:
        return Protocol[given.upper()]
    raise wrong("protocol", given, _nearest(given, Protocol.__members__))


def port(given: object) -> int:
    """A port number."""
    return whole("port", given, PORTS)


def attempts(given: object) -> int | None:
    """How many attempts; None for as many as it takes."""
    return None if given is None else whole("attempts", given, ATTEMPTS)


def packets(given: object) -> int | None:
    """How many packets of an attempt; None for those that tell its story."""
    return None if given is None else whole("packets", given, PACKETS)


def whole(what: str, given: object, allowed: range) -> int:
    """A whole number in a range."""
    if isinstance(given, int) and not isinstance(given, bool) and given in allowed:
        return given
    raise wrong(what, given, f"give a whole number from {allowed[0]} to {allowed[-1]}")


def text(what: str, given: object, remedy: str = "give a text") -> str:
    """A text, as a name is."""
    if isinstance(given, str):
        return given
    raise wrong(what, given, remedy)


def one_of(what: str, given: T, known: Sequence[str]) -> T:
    """A word of a few, or None."""
    if given is None or given in known:
        return given
    raise wrong(what, given, _nearest(given, known))


def texts(what: str, given: Iterable[str], example: str) -> tuple[str, ...]:
    """A list of texts: a text alone would be taken for a list of letters."""
    found = listed(what, given, example)
    if not all(isinstance(each, str) for each in found):
        raise wrong(what, given, f"give a list of texts: {example}")
    return found


def sources(given: Sequence[str] | None) -> tuple[str, ...] | None:
    """Hosts' names; None for those that are the default."""
    if given is None:
        return None
    found = texts("sources", given, '["client", "node1"], or ["all"]')
    if not found:
        raise wrong("sources", given, "name a host, or leave it out")
    return found


def checks(given: Sequence[LocatedCheck]) -> Sequence[LocatedCheck]:
    """Checks of a scenario."""
    remedy = "give Checks of a scenario: lab.scenario.checks"
    return [of_kind("check", each, LocatedCheck, remedy) for each in given]


def objects(given: Iterable[Mapping[str, object]]) -> tuple[Mapping[str, object], ...]:
    """Manifests."""
    return listed("objects", given, '[{"apiVersion": "v1", "kind": "Pod", …}]')


def listed(what: str, given: Iterable[T], example: str) -> tuple[T, ...]:
    """A list, or anything that is gone through once; no text and no mapping."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise wrong(what, given, f"give a list: {example}")
    return tuple(given)


def mapping(what: str, given: Mapping[str, T], example: str) -> Mapping[str, T]:
    """A mapping."""
    if isinstance(given, Mapping):
        return given
    raise wrong(what, given, f"give a mapping: {example}")


def command(given: Iterable[str]) -> tuple[str, ...]:
    """A program with its arguments; paths may be among them."""
    example = '["ip", "-brief", "address"]'
    if isinstance(given, str) and given:
        example = f"[{', '.join(_quoted(word) for word in given.split())}]"
    found = listed("argv", given, example)
    if not found or not all(isinstance(each, str | PurePath) for each in found):
        raise wrong("argv", given, f"give a program and its arguments as texts: {example}")
    return tuple(map(str, found))


def address(given: object) -> IPv4Address:
    """An IPv4 address as an object."""
    if isinstance(given, IPv4Address):
        return given
    example = quote(given) if isinstance(given, str) else "192.168.0.1"
    raise wrong("address", given, f'give ipaddress.IPv4Address("{example}")')


def path(what: str, given: object) -> str | PurePath:
    """The path of a file."""
    if isinstance(given, str | PurePath):
        return given
    raise wrong(what, given, "give a path")


def of_kind(what: str, given: object, kind: type[T], remedy: str) -> T:
    """An object of a class."""
    if isinstance(given, kind):
        return given
    raise wrong(what, given, remedy)


def wrong(what: str, given: object, remedy: str) -> UsageError:
    """The error for an argument: what it is, and what it should be."""
    return UsageError(f"{what} is {_found(given)}; {remedy}")


def _nearest(given: object, known: Iterable[str]) -> str:
    return nearest(given if isinstance(given, str) else "", known)


def _found(given: object) -> str:
    if given is None or isinstance(given, bool):
        return str(given)
    if isinstance(given, str):
        return f"the text '{quote(given)}'"
    if isinstance(given, int | float):
        return f"the number {quote(str(given))}"
    if isinstance(given, list | tuple) and not given:
        return "an empty list"
    return f"{quote(repr(given))}, a {type(given).__name__}"


def _quoted(word: str) -> str:
    return f'"{quote(word)}"'
