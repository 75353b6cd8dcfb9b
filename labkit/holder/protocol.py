"""What is said over a lab's socket: one request and one answer, each a line of JSON.

A request says the protocol's version, and a holder answers none but its own: an old one may hold a
lab still when labkit is renewed. Only `labkit down` needs no protocol. `labkit exec` writes its
request by hand, see `labkit.holder.enter`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from socket import socket
from typing import Any, Final, TypeAlias

import msgspec

from labkit.cluster.model import Protocol
from labkit.errors import LabError, LabkitError, ManifestError, MissingFeature, UsageError
from labkit.holder.enter import VERSION
from labkit.manifest.kinds import Target
from labkit.manifest.problems import Problem
from labkit.probe.table import FlowRow

LONGEST: Final = 128 << 20
"""Bytes of a line: more than the largest manifest in base64."""


class Request(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True
):
    """What is asked of a holder."""

    version: int = VERSION


class Describe(Request, frozen=True, kw_only=True, tag="describe"):
    """What lab it is."""


class Names(Request, frozen=True, kw_only=True, tag="names"):
    """What a shell or a prompt can complete."""


class Enter(Request, frozen=True, kw_only=True, tag="enter"):
    """The namespaces of a host, as descriptors beside the answer (unix(7) SCM_RIGHTS)."""

    host: str


class Logs(Request, frozen=True, kw_only=True, tag="logs"):
    """What programs have printed."""


class Apply(Request, frozen=True, kw_only=True, tag="apply"):
    """Add the objects of a file, or put them in the place of those that are there."""

    file: str
    content: bytes


class Delete(Request, frozen=True, kw_only=True, tag="delete"):
    """Take an object away."""

    kind: str
    name: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A form of a report, and what its reader can show."""

    format: str
    color: bool
    unicode: bool


class Matrix(Request, frozen=True, kw_only=True, tag="matrix"):
    """Probe the flow table."""

    sources: Sequence[str] | None
    attempts: int | None
    reports: Sequence[Report]


class Check(Request, frozen=True, kw_only=True, tag="check"):
    """Run the Checks, or compare every flow with the specification if there are none."""

    attempts: int | None
    reports: Sequence[Report]


class Trace(Request, frozen=True, kw_only=True, tag="trace"):
    """Follow the packets of a flow."""

    source: str
    to: str
    protocol: str
    attempts: int
    packets: int | None
    reports: Sequence[Report]
    capture: bool = False
    """Whether the packets are wanted too, as pcapng."""


class Probe(Request, frozen=True, kw_only=True, tag="probe"):
    """Probe one flow."""

    source: str
    to: str
    """As `labkit.lab.targets.parse` takes it."""
    protocol: Protocol
    attempts: int | None


class Explain(Request, frozen=True, kw_only=True, tag="explain"):
    """Say what the specification says of one flow."""

    source: str
    to: str
    protocol: Protocol
    report: Report


class Rules(Request, frozen=True, kw_only=True, tag="rules"):
    """The rules of nodes, one text for each; no names for all nodes."""

    nodes: Sequence[str]


class Inventory(Request, frozen=True, kw_only=True, tag="inventory"):
    """What there is, as a table for people."""

    what: str
    report: Report


class Draw(Request, frozen=True, kw_only=True, tag="draw"):
    """The topology as pictures."""

    formats: Sequence[str]


class Manifests(Request, frozen=True, kw_only=True, tag="manifests"):
    """The objects that the lab is made of now."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag_field="answer"):
    """What a holder says."""


class Description(Answer, frozen=True, kw_only=True, tag="description"):
    """A lab that runs."""

    name: str
    holder: int
    """The number of the process that holds it."""
    file: str
    dataplane: str
    rules: str
    nodes: Sequence[str]
    clients: Sequence[str]
    pods: Sequence[str]
    services: Sequence[str]
    age_s: float


class Named(Answer, frozen=True, kw_only=True, tag="named"):
    """Every name that can be given to a command about the lab."""

    nodes: Sequence[str]
    clients: Sequence[str]
    pods: Sequence[str]
    targets: Sequence[str]
    """What can be probed: Services, nodes with NodePorts, pods."""
    objects: Sequence[str]
    """``KIND/NAME`` of what can be deleted."""

    @property
    def hosts(self) -> Sequence[str]:
        """Clients, nodes and pods."""
        return (*self.clients, *self.nodes, *self.pods)


class Entered(Answer, frozen=True, kw_only=True, tag="entered"):
    """The descriptors are beside it: network, mount and user namespace."""


class Texts(Answer, frozen=True, kw_only=True, tag="texts"):
    """Reports as they were asked for, and the command's exit status."""

    texts: Sequence[str]
    status: int = 0
    capture: bytes = b""
    """Packets as pcapng, if they were asked for."""


class Printed(Answer, frozen=True, kw_only=True, tag="printed"):
    """What each program has printed, by ``pod/container``."""

    logs: Mapping[str, str]


class Probed(Answer, frozen=True, kw_only=True, tag="probed"):
    """What was seen of one flow, and what the specification says of it."""

    row: FlowRow
    to: Target
    """Where it went, by names that a lab built again has, too."""


class Objects(Answer, frozen=True, kw_only=True, tag="objects"):
    """Manifests as they were written."""

    objects: Sequence[Mapping[str, Any]]


class Failure(Answer, frozen=True, kw_only=True, tag="failure"):
    """One of labkit's errors, with what it carries."""

    text: str
    status: int
    problems: Sequence[Problem] = ()
    feature: Sequence[str] = ()
    """What a kernel lacks: the feature, what was found, the remedy."""


Asked: TypeAlias = (
    Describe
    | Names
    | Enter
    | Logs
    | Apply
    | Delete
    | Matrix
    | Check
    | Probe
    | Explain
    | Rules
    | Inventory
    | Draw
    | Manifests
    | Trace
)
Answered: TypeAlias = Description | Named | Entered | Texts | Printed | Probed | Objects | Failure


class _Versioned(msgspec.Struct, frozen=True):
    version: int


_request: Final[msgspec.json.Decoder[Asked]] = msgspec.json.Decoder(Asked)
_answer: Final[msgspec.json.Decoder[Answered]] = msgspec.json.Decoder(Answered)


def request_from(line: bytes) -> Asked:
    """Read a request.

    Raises:
        UsageError: it is none, or of another version.
    """
    try:
        version = msgspec.json.decode(line, type=_Versioned).version
        if version == VERSION:
            return _request.decode(line)
    except msgspec.MsgspecError as error:
        raise UsageError(f"no request of labkit's: {error}") from error
    raise UsageError(
        f"this lab speaks version {VERSION} of labkit's protocol and was asked in {version}; take"
        " it down with labkit down and build it again"
    )


def answer_from(line: bytes) -> Answered:
    """Read an answer.

    Raises:
        LabError: it is none.
    """
    try:
        return _answer.decode(line)
    except msgspec.MsgspecError as error:
        raise LabError(
            f"no answer of this version of labkit: {error}; take the lab down with labkit down and"
            " build it again"
        ) from error


def failure_of(error: LabkitError) -> Failure:
    """An error as an answer."""
    return Failure(
        text=str(error),
        status=error.exit_status,
        problems=error.problems if isinstance(error, ManifestError) else (),
        feature=(error.feature, error.found, error.remedy)
        if isinstance(error, MissingFeature)
        else (),
    )


def error_of(failure: Failure) -> LabkitError:
    """The error that an answer is."""
    if failure.problems:
        return ManifestError(failure.problems)
    if len(failure.feature) == len(("feature", "found", "remedy")):
        feature, found, remedy = failure.feature
        return MissingFeature(feature, found=found, remedy=remedy)
    kind = LabError if failure.status == LabError.exit_status else UsageError
    return kind(failure.text)


def line_of(message: Request | Answer) -> bytes:
    """A message as it is sent."""
    return msgspec.json.encode(message) + b"\n"


def read_line(connection: socket) -> bytes:
    """Read up to the end of a line, or of the connection.

    Raises:
        OSError: nothing came in the connection's time.
    """
    with connection.makefile("rb") as file:
        return file.readline(LONGEST)
