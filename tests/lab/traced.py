"""Whether a path tells what happened: what the one who answered saw, and who dropped what."""

from __future__ import annotations

from labkit.cluster.lookup import own_node
from labkit.cluster.model import Cluster
from labkit.probe.flow import Outcome
from labkit.trace.path import Fate, Leg, Path

LOSSES = (
    "no host of the lab received it",
    "(a martian)",
    "its time to live ended",
    "has no endpoint to send",
)
"""What may become of a packet that no rule dropped: nobody is there, nobody takes it, a loop."""


def fault(cluster: Cluster, path: Path) -> str | None:
    """Return how a path differs from what its source and the one who answered know; or None."""
    if path.notes:
        return f"something was not watched: {path.notes}"
    if not path.legs:
        return None if path.outcome is Outcome.UNREACHABLE else "nothing was seen to be sent"
    found = _connected(cluster, path) if path.outcome is Outcome.CONNECTED else _failed(path)
    return found and f"{path.flow}: {found}; verdict: {path.verdict}"


def _connected(cluster: Cluster, path: Path) -> str | None:
    request, reply = path.legs[:2]
    last = request.hops[-1]
    source = own_node(cluster, path.flow.source) or path.flow.source
    if request.end.fate is not Fate.DELIVERED:
        return f"answered, but the request ended as {request.end}"
    if path.pod is not None and last.host != (own_node(cluster, path.pod) or path.pod):
        return f"{path.pod} answered, but the request ended on {last.host}"
    if path.source_seen is not None and last.source.ip != path.source_seen:
        return f"{path.pod} saw {path.source_seen}, but the last hop is from {last.source}"
    if reply.is_stranger or reply.end.fate is not Fate.DELIVERED or reply.end.host != source:
        return f"the answer was taken, but ended as {reply.end}, stranger: {reply.is_stranger}"
    return None


def _failed(path: Path) -> str | None:
    request = path.legs[0]
    if request.end.fate in {Fate.DROPPED, Fate.REJECTED}:
        return _names_the_rule(request, path)
    if request.end.fate is Fate.LOST:
        known = any(each in request.end.reason for each in LOSSES)
        return None if known else f"lost without a reason: {request.end}"
    reply = next((leg for leg in path.legs if leg.is_reply), None)
    if reply is None:
        return "delivered, and no answer was seen"
    if path.outcome is Outcome.TIMED_OUT and reply.end.fate is Fate.DELIVERED:
        return None if reply.is_stranger else "the answer arrived, from whom was asked"
    if path.outcome is Outcome.REFUSED and not reply.packet.startswith(("RST", "ICMP")):
        return f"refused, but the answer was {reply.packet}"
    return None


def _names_the_rule(leg: Leg, path: Path) -> str | None:
    end = leg.end
    if not end.by or end.by != end.chains[-1]:
        return f"{end.fate} by no chain: {end}"
    refuses = path.outcome is Outcome.REFUSED
    if refuses != (end.fate is Fate.REJECTED):
        return f"{path.outcome}, but {end.fate} by {end.rule}"
    return None
