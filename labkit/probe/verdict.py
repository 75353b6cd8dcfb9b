"""What was expected against what was seen, in words. Pure.

`differences` compares one observation with a Check's ``expect``; `judge` does so for a whole Check.
`CheckResult` and `ScenarioResult` are what every report prints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from labkit.manifest.kinds import Expect, LocatedCheck
from labkit.manifest.location import Location
from labkit.probe import advice, balance
from labkit.probe.flow import Flow, Observation
from labkit.probe.table import FlowRow, FlowTable, Kernel
from labkit.probe.words import (
    counted,
    expectation_words,
    joined,
    specified_words,
    target_words,
    words_by_address,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A host whose address a reply carried."""

    address: IPv4Address
    names: tuple[str, ...] = ()
    """Every word for that address: a pod's, node's or client's name."""

    def __str__(self) -> str:
        return f"{self.address} ({', '.join(self.names)})" if self.names else str(self.address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a capture at the source saw of the handshake's answer."""

    senders: tuple[Sender, ...] = ()
    """Whose SYN-ACK reached the source; empty if none did."""
    source_sent_rst: bool = False
    """Whether the source's kernel answered it with RST."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What else a verdict needs to know of one observation."""

    reply: Reply | None = None
    """None if nothing was captured."""
    words: Mapping[IPv4Address, str] = field(default_factory=dict)
    """What each client address is: ``preserved``, a node's name; where left out it is worked out
    from the observation as far as that goes."""
    row: FlowRow | None = None
    """The observation beside what the specification says; None if that was not asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """A Check that was made. It passed if nothing differs."""

    name: str
    location: Location | None
    """Where the Check is written."""
    sources: tuple[str, ...]
    """The Check's ``from``."""
    to: str
    """The Check's ``to`` in words: ``node2:30080``."""
    expected: str
    """The Check's ``expect`` in words."""
    observations: tuple[Observation, ...]
    """One for each source."""
    contexts: tuple[Context, ...] = ()
    """What else is known of each observation."""
    differences: tuple[str, ...] = ()
    """One sentence for each."""
    specified: tuple[str, ...] = ()
    """If it failed: what the specification says of the flows that differ, and why."""
    command: str = ""
    """If it failed: what shows more, as a command for a shell."""
    elapsed_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.differences


@dataclass(frozen=True, kw_only=True)
class ScenarioResult:
    """A scenario that was run: its Checks, or its flow table, or why it could not be run."""

    scenario: str
    """The Lab's name."""
    path: str
    dataplane: str
    kernel: Kernel
    description: str = ""
    rules: str = ""
    """Where the rules came from."""
    mapped: tuple[str, ...] = ()
    """Addresses of a real cluster that the lab had to change, in words."""
    checks: tuple[CheckResult, ...] = ()
    table: FlowTable | None = None
    error: str | None = None
    """Why the lab could not be built or probed."""
    error_status: int = 0
    """The exit status that goes with the error."""
    logs: Mapping[str, str] = field(default_factory=dict)
    """What programs in pods printed, by ``pod/container``."""
    elapsed_s: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the lab ran and nothing differs."""
        rows = self.table.flows if self.table else ()
        return (
            self.error is None
            and all(check.passed for check in self.checks)
            and all(row.agrees is not False for row in rows)
        )


def judge(
    located: LocatedCheck,
    observations: Sequence[Observation],
    contexts: Sequence[Context] = (),
    *,
    dataplane: str = "",
    elapsed_s: float = 0.0,
) -> CheckResult:
    """Return the result of a Check.

    Args:
        located: the Check.
        observations: one for each of its sources.
        contexts: one for each observation, or none at all.
        dataplane: what served the flows, for the command that shows more; empty for no command.
        elapsed_s: what the Check took, in seconds.
    """
    spec = located.check.spec
    several = len(observations) > 1
    contexts = contexts or [Context()] * len(observations)
    found: list[str] = []
    differing: list[tuple[Flow, FlowRow | None]] = []
    for observation, context in zip(observations, contexts, strict=True):
        lead = f"from {observation.flow.source}: " if several else ""
        told = differences(spec.expect, observation, context)
        found += (f"{lead}{difference}" for difference in told)
        differing += [(observation.flow, context.row)] if told else []
    return CheckResult(
        name=located.name,
        location=located.location,
        sources=(spec.from_,) if isinstance(spec.from_, str) else tuple(spec.from_),
        to=target_words(spec.to, spec.protocol),
        expected=expectation_words(spec.expect),
        observations=tuple(observations),
        contexts=tuple(contexts),
        differences=tuple(found) or (() if observations else ("nothing was probed",)),
        specified=() if spec.expect.conformant else _specified(differing),
        command=_command(located, differing, dataplane),
        elapsed_s=elapsed_s,
    )


def _specified(differing: Sequence[tuple[Flow, FlowRow | None]]) -> tuple[str, ...]:
    told = (advice.specified(row) for _, row in differing)
    return tuple({each: None for each in told if each})


def _command(
    located: LocatedCheck, differing: Sequence[tuple[Flow, FlowRow | None]], dataplane: str
) -> str:
    written = not located.location.file.startswith("<")  # a file, no objects of a program
    if not (differing and dataplane and written):
        return ""
    flow, row = differing[0]
    explained = row is not None and row.expected is not None
    return advice.command(located, flow, dataplane=dataplane, explained=explained)


def differences(
    expect: Expect, observation: Observation, context: Context | None = None
) -> tuple[str, ...]:
    """Return how ``observation`` differs from ``expect``, a sentence for each; empty if it agrees.

    Where the outcome differs and nobody answered, nothing is said of who should have answered and
    of what it should have seen: that much follows.
    """
    context = context or Context()
    found = [*_conformance(expect, context.row), *_outcome(expect, observation)]
    if not found or observation.backends or observation.sources_seen:
        found += _backends(expect, observation)
        found += _client_source(expect, observation, context)
        found += _same_backend(expect, observation)
        found += _balance(expect, observation)
    found += _reply_from(expect, context.reply)
    found += _source_answers(expect, context.reply)
    found += _http_status(expect, observation)
    return tuple(found)


def _conformance(expect: Expect, row: FlowRow | None) -> Iterator[str]:
    if not expect.conformant:
        return
    if row is None or row.expected is None:
        yield (
            "expected what the specification says, which is nothing: no Service has this address; "
            "write out outcome, backends or clientSource"
        )
    elif not row.agrees:
        yield f"expected {specified_words(row.expected)}"


def _outcome(expect: Expect, observation: Observation) -> Iterator[str]:
    if expect.outcome is None or expect.outcome == observation.outcome:
        return
    counts = [f"{outcome} in {count}" for outcome, count in observation.outcomes.items()]
    wanted = "outcomes that differ" if expect.outcome == "mixed" else expect.outcome
    yield f"expected {wanted}, got {joined(counts)} of {observation.attempts} attempts"


def _backends(expect: Expect, observation: Observation) -> Iterator[str]:
    if expect.backends is None or set(expect.backends) == set(observation.backends):
        return
    missing = [name for name in expect.backends if name not in observation.backends]
    others = [name for name in observation.backends if name not in expect.backends]
    wanted = f"backends {', '.join(expect.backends)}" if expect.backends else "no backend"
    if not observation.backends:
        yield f"expected {wanted}; none said who it is in {observation.attempts} attempts"
        return
    parts = []
    if missing:
        parts.append(f"{joined(missing)} did not answer in {observation.attempts} attempts")
    if others:
        parts.append(f"{joined(others)} answered{' too' if expect.backends else ''}")
    yield f"expected {wanted}; {' and '.join(parts)}"


def _client_source(expect: Expect, observation: Observation, context: Context) -> Iterator[str]:
    if expect.client_source is None:
        return
    given = expect.client_source
    allowed = [given] if isinstance(given, str) else given
    wanted = f"expected source {joined(allowed, 'or')}"
    if not observation.sources_seen:
        yield f"{wanted}, no pod told which source it saw"
        return
    if set(observation.client_sources) <= set(allowed):
        return
    known = {str(seen): word for seen, word in context.words.items()}
    addresses = [str(seen) for seen in observation.sources_seen]
    words = words_by_address(addresses, observation.client_sources, known)
    wrong = [
        f"{seen} ({words[seen]})" if words.get(seen, seen) != seen else seen
        for seen in addresses
        if words.get(seen) not in allowed and seen not in allowed
    ]
    if wrong:
        who = "the pod" if len(observation.backends) == 1 else "pods"
        yield f"{wanted}, {who} saw {joined(wrong)}"


def _same_backend(expect: Expect, observation: Observation) -> Iterator[str]:
    if expect.same_backend is None:
        return
    pods = observation.backends
    if not pods:
        yield "expected to learn which pod answers, none said who it is"
    elif expect.same_backend and len(pods) > 1:
        yield f"expected one pod to answer every attempt, got {counted(pods)}"
    elif not expect.same_backend and len(pods) == 1:
        yield f"expected several pods to answer, got {counted(pods)}"


def _balance(expect: Expect, observation: Observation) -> Iterator[str]:
    """Judge equal shares; the message states the test and its rate of false alarms."""
    if expect.balance is None:
        return
    names = list(dict.fromkeys([*(expect.backends or ()), *observation.backends]))
    counts = {name: observation.backends.get(name, 0) for name in names}
    if not observation.backends or (expect.backends is None and len(counts) == 1):
        yield f"expected equal shares of several pods, got {counted(counts) or 'no pod'}"
    elif not balance.enough(counts.values()):
        yield (
            f"equal shares of {len(counts)} pods cannot be told by {sum(counts.values())} answers; "
            f"set attempts to {balance.ATTEMPTS_PER_POD * len(counts)} or more"
        )
    elif not balance.is_uniform(counts.values()):
        value, degrees = balance.statistic(counts.values()), len(counts) - 1
        yield (
            f"expected equal shares, got {counted(counts)}: chi-squared {value:.1f}, {degrees} "
            f"degree{'s' if degrees > 1 else ''} of freedom, chance "
            f"{balance.chance_if_fair(counts.values()):.1g} (false alarms: at most "
            f"{balance.FALSE_ALARM_RATE:.0e})"
        )


def _reply_from(expect: Expect, reply: Reply | None) -> Iterator[str]:
    if expect.reply_from is None:
        return
    wanted = f"expected a reply from {expect.reply_from}"
    if reply is None:
        yield f"{wanted}, nothing was captured"
        return
    if not reply.senders:
        yield f"{wanted}, no SYN-ACK reached the source"
        return
    wrong = [
        str(sender)
        for sender in reply.senders
        if expect.reply_from not in {*sender.names, str(sender.address)}
    ]
    if wrong:
        yield f"{wanted}, a SYN-ACK came from {joined(wrong)}"


def _source_answers(expect: Expect, reply: Reply | None) -> Iterator[str]:
    if expect.source_answers is None:
        return
    wanted = f"expected the source to answer the reply with {expect.source_answers}"
    if reply is None:
        yield f"{wanted}, nothing was captured"
    elif not reply.source_sent_rst:
        yield f"{wanted}, it did not"


def _http_status(expect: Expect, observation: Observation) -> Iterator[str]:
    if expect.http_status is None or set(observation.http_statuses) == {expect.http_status}:
        return
    if not observation.http_statuses:
        yield f"expected HTTP status {expect.http_status}, got no HTTP answer"
        return
    counts = [f"{status} in {count}" for status, count in observation.http_statuses.items()]
    yield (
        f"expected HTTP status {expect.http_status}, got {joined(counts)} of "
        f"{observation.attempts} attempts"
    )
