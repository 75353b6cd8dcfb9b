"""What Tab offers at the prompt. Pure: what the lab and the machine have is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from labkit.cli.prompt.verbs import ATTEMPTS, HOST_SAYS, VERBS, Kind, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The names of a lab."""

    nodes: Sequence[str] = ()
    clients: Sequence[str] = ()
    pods: Sequence[str] = ()
    targets: Sequence[str] = ()
    """What can be probed, as `labkit.lab.targets.parse` takes it."""
    objects: Sequence[str] = ()
    """``KIND/NAME`` of what can be deleted."""

    @property
    def hosts(self) -> Sequence[str]:
        """Clients, nodes and pods."""
        return (*self.clients, *self.nodes, *self.pods)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the machine has: asked only where a word can be of it."""

    programs: Callable[[], Iterable[str]] = field(default=tuple)
    files: Callable[[str], Iterable[str]] = field(default=lambda _begun: ())
    """The paths that begin so; a folder's ends with a slash."""


class Offer(NamedTuple):
    """One word that can stand where the cursor is."""

    word: str
    says: str = ""


def offers(before: str, known: Known, machine: Machine) -> list[Offer]:
    """Return the words that can stand behind ``before``, of which the last one may be begun.

    Args:
        before: the line up to the cursor.
        known: the lab's names.
        machine: the machine's.
    """
    *words, begun = before.lstrip().split(" ") if before.strip() else [""]
    words = [word for word in words if word]
    if not words:
        found = _first(known)
    elif words[0] in VERBS:
        found = _of_verb(VERBS[words[0]], words[1:], begun, known, machine)
    elif words[0] in known.hosts:
        found = _of_host(words[1:], begun, known, machine)
    else:
        found = iter(())
    return [offer for offer in found if offer.word.startswith(begun) and offer.word != begun]


def begun_in(before: str) -> str:
    """The word that is being written."""
    return before.rpartition(" ")[2]


def _first(known: Known) -> Iterator[Offer]:
    for host in known.hosts:
        yield Offer(host, HOST_SAYS.partition(":")[0])
    for verb in VERBS.values():
        yield Offer(verb.name, verb.says)


def _of_verb(
    verb: Verb, words: Sequence[str], begun: str, known: Known, machine: Machine
) -> Iterator[Offer]:
    if words and words[-1] == "--from":
        yield from _listed(begun, (*known.hosts, "all"))
        return
    if begun.startswith("-"):
        yield from map(Offer, verb.options)
        return
    if words and words[-1] == ATTEMPTS:
        return
    place = sum(not word.startswith("-") for word in words)
    if verb.words and (place < len(verb.words) or "…" in verb.takes):
        yield from map(
            Offer, _names(verb.words[min(place, len(verb.words) - 1)], begun, known, machine)
        )


def _listed(begun: str, names: Iterable[str]) -> Iterator[Offer]:
    """Names behind those of a list that are there already: ``client,no``."""
    listed, comma, _last = begun.rpartition(",")
    yield from (Offer(f"{listed}{comma}{name}") for name in names)


def _names(kind: Kind, begun: str, known: Known, machine: Machine) -> Iterable[str]:
    if kind is Kind.FILE:
        return machine.files(begun)
    return {
        Kind.HOST: known.hosts,
        Kind.NODE: known.nodes,
        Kind.POD: known.pods,
        Kind.TARGET: known.targets,
        Kind.OBJECT: known.objects,
        Kind.VERB: tuple(VERBS),
    }[kind]


def _of_host(words: Sequence[str], begun: str, known: Known, machine: Machine) -> Iterator[Offer]:
    """A program; behind it the lab's names and the machine's files."""
    if not words and "/" not in begun:
        yield from map(Offer, machine.programs())
        return
    yield from map(Offer, known.targets)
    yield from map(Offer, known.hosts)
    yield from map(Offer, machine.files(begun))
