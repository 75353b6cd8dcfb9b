"""What stands on the cards and boxes of a picture, line by line. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from labkit.cluster.model import Client
from labkit.report.graph import words
from labkit.report.graph.measure import folded, wrapped
from labkit.report.graph.topology import Membership, NumberedService, State, Topology
from labkit.report.graph.words import Fact
from labkit.report.text import clean, plural

T = TypeVar("T")

HOSTS_SHOWN: Final = 12
"""Clients of a place, on the LAN or behind the router, beyond which the others share a box."""
CARDS_SHOWN: Final = 60
FULL_CARDS: Final = 30
"""With more Services than these, cards are brief."""
PORTS_SHOWN: Final = 5
ENDPOINT_LINES: Final = 3
FACT_LINES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A box with a name and lines: the router, a client, or the clients that are too many."""

    name: str
    lines: tuple[str, ...]
    stands_for: tuple[str, ...] = ()
    """What it shows without naming it."""
    router: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A Service, or those that are too many."""

    name: str
    kind: str
    lines: tuple[Fact, ...]
    service: NumberedService | None
    stands_for: tuple[str, ...] = ()
    """What it shows without naming it."""


class Entry(NamedTuple):
    """A mark of the picture and what it means."""

    mark: State | Membership
    meaning: str


def legend_entries(topology: Topology) -> Iterator[Entry]:
    """Yield what the marks mean, of those that are there."""
    spots = [spot for node in topology.nodes for spot in node.spots]
    states = {spot.state for spot in spots}
    yield from (Entry(state, f"pod {state}") for state in State if state in states)
    members = {member.state for spot in spots for member in spot.services}
    if State.READY in members:
        yield Entry(Membership(1, State.READY), "ready endpoint of Service 1")
    if State.SERVING in members:
        yield Entry(Membership(1, State.SERVING), "endpoint that is terminating, serving")
    if members - {State.READY, State.SERVING}:
        yield Entry(Membership(1, State.NOT_READY), "endpoint that is not ready")


def router_host(topology: Topology) -> Host:
    """Return the LAN's router."""
    return Host(name="router", lines=(f"lan0 {topology.cluster.network.gateway}",), router=True)


def client_hosts(clients: Sequence[Client]) -> Iterator[Host]:
    """Yield a box for each client, the last one for all that are too many."""
    shown = _shown(clients, HOSTS_SHOWN)
    for client in shown:
        yield Host(name=clean(client.name), lines=words.client_lines(client))
    rest = clients[len(shown) :]
    if rest:
        yield Host(
            name=plural(len(rest), "more client"),
            lines=(f"{rest[0].address} to {rest[-1].address}",),
            stands_for=tuple(f"{clean(each.name)} {each.address}" for each in rest),
        )


def service_cards(services: Sequence[NumberedService], room: int) -> Iterator[Card]:
    """Yield a card of ``room`` characters for each Service, the last for all that are too many."""
    shown = _shown(services, CARDS_SHOWN)
    for each in shown:
        lines = _brief(each, room) if len(services) > FULL_CARDS else _full(each, room)
        yield Card(
            name=clean(each.name),
            kind=words.kind_of(each.service),
            lines=tuple(lines),
            service=each,
        )
    rest = services[len(shown) :]
    if rest:
        names = tuple(clean(each.name) for each in rest)
        first, last = rest[0].number, rest[-1].number
        lines = _wrapped([Fact(f"numbers {first} to {last}: {', '.join(names[:3])}, …")], room, 3)
        title = f"{len(rest)} more Services"
        yield Card(name=title, kind="", lines=tuple(lines), service=None, stands_for=names)


def _full(each: NumberedService, room: int) -> Iterator[Fact]:
    service = each.service
    ports = list(words.ports(service))
    hidden = len(ports) - PORTS_SHOWN
    if hidden > 1:
        ports = [*ports[:PORTS_SHOWN], Fact(f"… {hidden} more ports")]
    facts = (*words.addresses(service), *ports, *words.policies(service))
    yield from _wrapped(facts, room, FACT_LINES)
    yield from _endpoints(each, room)


def _endpoints(each: NumberedService, room: int) -> Iterator[Fact]:
    """As many names as there are lines for: no name is cut where another can be left out."""
    tried = [words.endpoint_fact(each, limit) for limit in range(words.NAMES_SHOWN, 0, -1)]
    fits = (fact for fact in tried if len(folded(fact.text, room)) <= ENDPOINT_LINES)
    return _wrapped([next(fits, tried[-1])], room, ENDPOINT_LINES)


def _brief(each: NumberedService, room: int) -> Iterator[Fact]:
    """Where it is reached, what is out of the ordinary, and how many endpoints it has."""
    service = each.service
    node_ports = [str(port.node_port) for port in service.ports if port.node_port]
    facts = [
        *words.addresses(service),
        *([Fact(f"nodePort {', '.join(node_ports)}")] if node_ports else []),
        *(fact for fact in words.policies(service) if fact.weight is words.Weight.STRONG),
        words.endpoint_fact(each),
    ]
    yield from _wrapped(facts, room, 1)


def _shown(all_of_them: Sequence[T], limit: int) -> Sequence[T]:
    """The first ones; a box for one that is left out would take as much room as that one."""
    return all_of_them if len(all_of_them) <= limit + 1 else all_of_them[:limit]


def _wrapped(facts: Sequence[Fact], room: int, lines: int) -> Iterator[Fact]:
    return (Fact(line, fact.weight) for fact in facts for line in wrapped(fact.text, room, lines))
