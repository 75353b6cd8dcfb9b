"""Walks a packet through rendered rules: which chains it passes, where it ends, who rewrote it.

No kernel is asked. Tests use this to say in the user's words what rules do, and reports to say
which rule did it. Chance is not rolled: every branch is walked and carries its probability.

Source: iptables(8), iptables-extensions(8); the order of the hooks as netfilter's packet flow has
it. The mangle and raw tables are left out: kube-proxy has no rule there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from typing import Final

from labkit.cluster.model import Cluster, Node, Protocol
from labkit.dataplane.node_addresses import own_addresses
from labkit.dataplane.rule_text import Match, Rule, parse_rule
from labkit.dataplane.rules import Ruleset


class Verdict(StrEnum):
    """Where a packet ends."""

    ACCEPT = "ACCEPT"
    DROP = "DROP"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The packet that goes in, as the node sees it."""

    source: IPv4Address
    destination: IPv4Address
    dport: int
    protocol: Protocol = Protocol.TCP
    interface: str = "eth0"
    """The interface that it came in by; empty for one that the node itself sends."""
    state: str = "NEW"
    """Its conntrack state; only NEW ones meet the nat table."""
    remembered: frozenset[str] = frozenset()
    """Lists of the ``recent`` match that hold the source: whom it was sent to before."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that matched."""

    table: str
    chain: str
    rule: Rule

    def __str__(self) -> str:
        return f"{self.table} -A {self.chain} {self.rule.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One way that a packet may go."""

    verdict: Verdict
    destination: IPv4Address
    dport: int
    translated: bool
    """Whether destination and port are those of an endpoint."""
    masqueraded: bool
    """Whether the packet leaves with an address of the node as its source."""
    probability: float
    chains: tuple[str, ...]
    """Chains entered that have rules, in order, of all tables."""
    steps: tuple[Step, ...]
    remembered: frozenset[str]
    """Lists of the ``recent`` match that now hold the source."""

    @property
    def to(self) -> str:
        """``address:port`` that the packet goes to."""
        return f"{self.destination}:{self.dport}"


def walk(rules: Ruleset, packet: Packet, *, cluster: Cluster, node: Node) -> tuple[Walk, ...]:
    """Return every way that ``packet`` may go on ``node``, in the order of the rules.

    Raises:
        ValueError: a rule has a match or target that kube-proxy's rules have not.
    """
    return Walker(rules, own_addresses(cluster, node)).walk(packet)


@dataclass(frozen=True, slots=True)
class _State:
    """The packet on its way."""

    packet: Packet
    destination: IPv4Address
    dport: int
    probability: float = 1.0
    mark: int = 0
    translated: bool = False
    masqueraded: bool = False
    chains: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    remembered: frozenset[str] = frozenset()

    @property
    def states(self) -> frozenset[str]:
        """Its conntrack states: DNAT is one of its own, beside NEW or ESTABLISHED."""
        return frozenset({self.packet.state, *(("DNAT",) if self.translated else ())})

    def enter(self, chain: str) -> _State:
        return replace(self, chains=(*self.chains, chain))

    def times(self, chance: float) -> _State:
        return replace(self, probability=self.probability * chance)


@dataclass(frozen=True, slots=True)
class _End:
    """How a chain was left: by a verdict, or None by its end."""

    state: _State
    verdict: str | None = None


@dataclass(slots=True)
class Walker:
    """Walks many packets through one ruleset; each rule is read once."""

    rules: Ruleset
    local: Collection[IPv4Address]
    """Addresses of the node."""
    _read: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)

    def walk(self, packet: Packet) -> tuple[Walk, ...]:
        """Return every way that ``packet`` may go."""
        start = _State(packet, packet.destination, packet.dport, remembered=packet.remembered)
        ends = self._sent(start) if not packet.interface else self._received(start)
        return tuple(
            Walk(
                verdict=Verdict(verdict or Verdict.ACCEPT),
                destination=state.destination,
                dport=state.dport,
                translated=state.translated,
                masqueraded=state.masqueraded,
                probability=state.probability,
                chains=state.chains,
                steps=state.steps,
                remembered=state.remembered,
            )
            for state, verdict in ends
        )

    # --- hooks ---

    def _received(self, state: _State) -> Iterator[tuple[_State, str | None]]:
        for end in self._nat("PREROUTING", state):
            if self.is_local(end.state.destination):
                yield from self._through((("filter", "INPUT"), ("nat", "INPUT")), end.state)
            else:
                hooks = (("filter", "FORWARD"), ("nat", "POSTROUTING"))
                yield from self._through(hooks, end.state)

    def _sent(self, state: _State) -> Iterator[tuple[_State, str | None]]:
        for end in self._nat("OUTPUT", state):
            hooks = [("filter", "OUTPUT"), ("nat", "POSTROUTING")]
            if self.is_local(end.state.destination):
                # It comes back by loopback; its flow has met the nat table by then.
                hooks.append(("filter", "INPUT"))
            yield from self._through(tuple(hooks), end.state)

    def _through(
        self, hooks: tuple[tuple[str, str], ...], state: _State
    ) -> Iterator[tuple[_State, str | None]]:
        if not hooks:
            yield state, None
            return
        (table, chain), *rest = hooks
        ends = self._nat(chain, state) if table == "nat" else self._chain(table, chain, state)
        for end in ends:
            if end.verdict in (Verdict.DROP, Verdict.REJECT):
                yield end.state, end.verdict
            else:
                yield from self._through(tuple(rest), end.state)

    def _nat(self, chain: str, state: _State) -> Iterator[_End]:
        if state.packet.state != "NEW":
            yield _End(state)
            return
        yield from self._chain("nat", chain, state)

    # --- chains ---

    def _chain(self, table: str, chain: str, state: _State) -> Iterator[_End]:
        rules = self._rules(table, chain)
        if rules:
            yield from self._from(0, table, chain, state.enter(chain))
        else:
            yield _End(state)

    def _from(self, index: int, table: str, chain: str, state: _State) -> Iterator[_End]:
        """Go on at a rule; a rule of chance splits the way in two."""
        rules = self._rules(table, chain)
        for number in range(index, len(rules)):
            rule = rules[number]
            chance = self._chance(rule, state)
            if not chance:
                continue
            taken = replace(state, steps=(*state.steps, Step(table, chain, rule))).times(chance)
            for end in self._target(table, rule, taken):
                if end.verdict is not None:
                    yield end
                else:
                    yield from self._from(number + 1, table, chain, end.state)
            if chance == 1:
                return
            state = state.times(1 - chance)
        yield _End(state)

    def _rules(self, table: str, chain: str) -> tuple[Rule, ...]:
        key = (table, chain)
        if key not in self._read:
            chains = next((each.chains for each in self.rules.tables if each.name == table), {})
            self._read[key] = tuple(map(parse_rule, chains.get(chain, ())))
        return self._read[key]

    def _target(self, table: str, rule: Rule, state: _State) -> Iterator[_End]:
        action = ACTIONS.get(rule.target)
        if action is not None:
            yield action(rule, state)
        elif any(rule.target in each.chains for each in self.rules.tables if each.name == table):
            for end in self._chain(table, rule.target, state):
                yield _End(end.state) if end.verdict == "RETURN" else end
        else:
            raise ValueError(f"a packet cannot be walked through target {rule.target}: {rule.text}")

    # --- matches ---

    def _chance(self, rule: Rule, state: _State) -> float:
        chance = 1.0
        for match in rule.matches:
            if match.option == "--probability":
                chance *= float(match.value)
            elif self._holds(match, rule, state) == match.negated:
                return 0.0
        return chance

    def _holds(self, match: Match, rule: Rule, state: _State) -> bool:
        if match.option == "--src-type":
            return self.is_local(state.packet.source)
        if match.option == "--dst-type":
            return self.is_local(state.destination)
        if match.option == "--rcheck":
            return _list_name(rule) in state.packet.remembered
        test = TESTS.get(match.option)
        if test is None:
            raise ValueError(f"a packet cannot be asked about {match.option}: {rule.text}")
        return test(match.value, state)

    def is_local(self, address: IPv4Address) -> bool:
        """Whether an address is the node's own."""
        return address.is_loopback or address in self.local


# --- what matches ask, and what targets do ---


def _interface(value: str, state: _State) -> bool:
    if value.endswith("+"):
        return bool(state.packet.interface) and state.packet.interface.startswith(value[:-1])
    return state.packet.interface == value


def _mark(value: str, state: _State) -> bool:
    wanted, mask = (int(part, 0) for part in value.split("/"))
    return state.mark & mask == wanted


def _always(_value: str, _state: _State) -> bool:
    return True


TESTS: Final[Mapping[str, Callable[[str, _State], bool]]] = {
    "-s": lambda value, state: state.packet.source in IPv4Network(value),
    "-d": lambda value, state: state.destination in IPv4Network(value),
    "-p": lambda value, state: state.packet.protocol.lower() == value,
    "-i": _interface,
    "--dport": lambda value, state: state.dport == int(value),
    "--dports": lambda value, state: str(state.dport) in value.split(","),
    "--ctstate": lambda value, state: not state.states.isdisjoint(value.split(",")),
    "--mark": _mark,
    # How long a source is remembered is the caller's choice: it says who is.
    "--seconds": _always,
    "--reap": _always,
    "--set": _always,
    "--name": _always,
    "--mask": _always,
    "--rsource": _always,
    "--nfacct-name": _always,
}


def _list_name(rule: Rule) -> str:
    return next(match.value for match in rule.matches if match.option == "--name")


def _look(rule: Rule, state: _State) -> _End:
    return _End(_remember(rule, state))


def _remember(rule: Rule, state: _State) -> _State:
    if any(match.option == "--set" for match in rule.matches):
        return replace(state, remembered=state.remembered | {_list_name(rule)})
    return state


def _set_mark(rule: Rule, state: _State) -> _End:
    value, mask = (int(part, 0) for part in rule.options["--set-xmark"].split("/"))
    return _End(replace(state, mark=state.mark & ~mask ^ value))


def _translate(rule: Rule, state: _State) -> _End:
    address, _, port = rule.options["--to-destination"].partition(":")
    moved = replace(
        _remember(rule, state), destination=IPv4Address(address), dport=int(port), translated=True
    )
    return _End(moved, Verdict.ACCEPT)


def _masquerade(_rule: Rule, state: _State) -> _End:
    return _End(replace(state, masqueraded=True), Verdict.ACCEPT)


def _verdict(rule: Rule, state: _State) -> _End:
    return _End(state, rule.target)


ACTIONS: Final[Mapping[str, Callable[[Rule, _State], _End]]] = {
    "": _look,
    "MARK": _set_mark,
    "DNAT": _translate,
    "MASQUERADE": _masquerade,
    "ACCEPT": _verdict,
    "DROP": _verdict,
    "REJECT": _verdict,
    "RETURN": _verdict,
}
