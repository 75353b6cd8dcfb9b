"""Flows (what is asked), answers (one attempt) and observations (all attempts): plain data.

The words are the flow table's: `outcome`, `via`, `backends`, `client_sources`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

from labkit.cluster.model import Protocol


class Outcome(StrEnum):
    """How an attempt ended, as its source saw it."""

    CONNECTED = "connected"
    """Data came back: an answer, not only a handshake."""
    REFUSED = "refused"
    """RST to the SYN, or ICMP port unreachable: a REJECT rule, or nobody listens."""
    TIMED_OUT = "timeout"
    """Silence: a DROP rule, no way back, or an answer from a stranger."""
    UNREACHABLE = "unreachable"
    """No route, or ICMP host or network unreachable."""
    RESET = "reset"
    """The handshake was made and then the connection was reset."""
    MIXED = "mixed"
    """Attempts differ (of a whole flow, never of one attempt)."""


class Via(StrEnum):
    """Which of a Service's addresses a flow goes to."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    EXTERNAL_IP = "ExternalIP"
    LOAD_BALANCER = "LoadBalancer"
    POD_IP = "PodIP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One question: can ``source`` reach ``address``:``dport``, and who answers?"""

    source: str
    """A client's, node's or pod's name, as reports print it."""
    address: IPv4Address
    dport: int
    protocol: Protocol = Protocol.TCP
    service: str = ""
    """``namespace/name``; empty for a target that is no Service's."""
    port: str = ""
    """The Service port's name."""
    via: Via | None = None
    node: str | None = None
    """The node whose address this is, for NodePorts (127.0.0.1 included)."""
    request_bytes: int = 0
    """What the request carries beside the question; an answer must carry the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one attempt saw."""

    outcome: Outcome
    pod: str | None = None
    """Who answered, as reports print it; None if it did not say (a program of the user's own)."""
    source_seen: IPv4Address | None = None
    """The client address that the responder saw."""
    http_status: int | None = None
    elapsed_s: float = 0.0
    source_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All attempts of one flow, counted."""

    flow: Flow
    attempts: int
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    backends: Mapping[str, int] = field(default_factory=dict)
    sources_seen: Mapping[IPv4Address, int] = field(default_factory=dict)
    client_sources: tuple[str, ...] = ()
    """Each source seen in words, sorted: ``preserved``, a node's name, or the raw address."""
    http_statuses: Mapping[int, int] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The one outcome of every attempt, or MIXED."""
        (first, *others) = self.outcomes
        return Outcome.MIXED if others else first
