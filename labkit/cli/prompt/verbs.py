"""What can be asked at the prompt of a lab: each verb, what it takes and what it says. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What a word of a line names: that is what Tab offers for it."""

    HOST = auto()
    NODE = auto()
    POD = auto()
    TARGET = auto()
    OBJECT = auto()
    FILE = auto()
    VERB = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One verb."""

    name: str
    takes: str = ""
    """Its arguments, as usage shows them."""
    says: str
    """What it does, in a few words."""
    words: Sequence[Kind] = ()
    """What its arguments name; the last one may come again."""
    options: Sequence[str] = ()
    """Options that are worth offering."""
    command: bool = False
    """Whether it is the labkit command of that name, with the lab as its first argument."""

    @property
    def usage(self) -> str:
        """The verb and its arguments."""
        return f"{self.name} {self.takes}".strip()


ATTEMPTS: Final = "--attempts"
FLOW: Final = (Kind.HOST, Kind.TARGET)
VERBS: Final = {
    verb.name: verb
    for verb in (
        Verb(
            name="probe",
            takes="FROM TO [--attempts N]",
            says="send from a host, and say whether that is right",
            words=FLOW,
            options=(ATTEMPTS, "--protocol"),
        ),
        Verb(
            name="matrix",
            takes="[--from NAME,…]",
            says="the whole flow table",
            options=("--from", ATTEMPTS, "--output"),
            command=True,
        ),
        Verb(
            name="check",
            says="the lab's Checks, as labkit run reports them",
            options=(ATTEMPTS, "--output"),
            command=True,
        ),
        Verb(
            name="explain",
            takes="FROM TO",
            says="what the specification says of a flow, and why",
            words=FLOW,
            options=("--protocol", "--output"),
            command=True,
        ),
        Verb(
            name="trace",
            takes="FROM TO",
            says="the path of a flow's packets, hop by hop",
            words=FLOW,
            options=("--packets", "--pcap", ATTEMPTS, "--protocol", "--output"),
            command=True,
        ),
        Verb(
            name="rules",
            takes="[NODE…]",
            says="the rules that are installed on nodes",
            words=(Kind.NODE,),
        ),
        Verb(
            name="conntrack",
            takes="NODE [ARGUMENT…]",
            says="the connections that a node tracks (conntrack -L)",
            words=(Kind.NODE,),
        ),
        Verb(name="pods", says="the pods"),
        Verb(name="services", says="the Services and their endpoints"),
        Verb(name="nodes", says="the nodes"),
        Verb(name="hosts", says="clients, nodes and pods, with their addresses"),
        Verb(
            name="apply",
            takes="FILE",
            says="add a file's objects, or put them in the place of others",
            words=(Kind.FILE,),
            command=True,
        ),
        Verb(
            name="delete",
            takes="KIND/NAME…",
            says="take objects away",
            words=(Kind.OBJECT,),
            command=True,
        ),
        Verb(
            name="kill",
            takes="POD…",
            says="end pods, as delete pod/POD does",
            words=(Kind.POD,),
        ),
        Verb(
            name="logs",
            takes="[POD]",
            says="what programs in pods have printed",
            words=(Kind.POD,),
            command=True,
        ),
        Verb(
            name="save",
            takes="FILE.yaml|FILE.py [--force]",
            says="the lab and a Check for each probe and curl, as a scenario or a pytest file",
            words=(Kind.FILE,),
            options=("--force",),
        ),
        Verb(name="history", says="the lines of this session"),
        Verb(
            name="help",
            takes="[VERB]",
            says="this list, or more of one verb",
            words=(Kind.VERB,),
        ),
        Verb(name="exit", says="leave the prompt; the lab stays"),
    )
}
HOST_USAGE: Final = "HOST COMMAND…"
HOST_SAYS: Final = "run a command there: client curl node2:30080"
SHELL_SAYS: Final = "your shell there"


def overview(verbs: Iterable[Verb] = VERBS.values()) -> str:
    """Return the list of everything that can be asked."""
    rows = [(HOST_USAGE, HOST_SAYS), ("HOST", SHELL_SAYS)]
    rows += [(verb.usage, verb.says) for verb in verbs]
    width = max(len(usage) for usage, _ in rows)
    return "".join(f"{usage:{width}}  {says}\n" for usage, says in rows)
